"""Many datagrams to many addresses in one system call (sendmmsg(2)), from buffers made once.

The plane writes packets straight into `view`, encrypts them there, and sends: nothing is copied or
allocated per packet. Linux only, through cffi's ABI mode.
"""

import errno
import ipaddress
import struct
import sys
from typing import Any, Final

import cffi

from sfu.plane import SocketAddress

SLOTS: Final = 128
"""Datagrams in one system call."""
SLOT_BYTES: Final = 2048
_FAMILY_INET: Final = 2
_FAMILY_INET6: Final = 10
_DONT_WAIT: Final = 0x40

_ffi: Final = cffi.FFI()
_ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen;
        struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen; int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags);
    """
)
_libc: Final[Any] = _ffi.dlopen(None)


class RawAddress:
    """A socket address as the kernel takes it (ip(7), ipv6(7)); make it once for each peer."""

    __slots__ = ("data", "size")

    def __init__(self, address: SocketAddress) -> None:
        """Raises ValueError for anything but a numeric address."""
        ip, port = ipaddress.ip_address(address[0]), address[1]
        if ip.version == 4:
            packed = struct.pack("=H", _FAMILY_INET) + struct.pack("!H", port) + ip.packed
            packed += bytes(8)
        else:
            packed = struct.pack("=H", _FAMILY_INET6) + struct.pack("!HI", port, 0) + ip.packed
            packed += bytes(4)
        self.size = len(packed)
        self.data: Any = _ffi.new("unsigned char[]", packed)


class Batch:
    """`view[slot * SLOT_BYTES:]` is where slot's datagram lies, `pointers[slot]` the same for C."""

    def __init__(self, descriptor: int) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOSYS, "sendmmsg needs Linux")
        self._descriptor = descriptor
        self._memory: Any = _ffi.new("unsigned char[]", SLOTS * SLOT_BYTES)
        self.view = memoryview(_ffi.buffer(self._memory))
        self.addresses = [
            int(_ffi.cast("uintptr_t", self._memory)) + slot * SLOT_BYTES for slot in range(SLOTS)
        ]
        self._vectors: Any = _ffi.new("struct iovec[]", SLOTS)
        self._messages: Any = _ffi.new("struct mmsghdr[]", SLOTS)
        self._iov = [self._vectors[slot] for slot in range(SLOTS)]
        self._head = [self._messages[slot].msg_hdr for slot in range(SLOTS)]
        self._named: list[RawAddress | None] = [None] * SLOTS
        self._sizes = [0] * SLOTS
        for slot in range(SLOTS):
            self._iov[slot].iov_base = self._memory + slot * SLOT_BYTES
            self._head[slot].msg_iov = self._vectors + slot
            self._head[slot].msg_iovlen = 1

    def put(self, slot: int, size: int, to: RawAddress) -> None:
        """The datagram in `slot` is complete."""
        if self._sizes[slot] != size:
            self._sizes[slot] = self._iov[slot].iov_len = size
        if self._named[slot] is not to:
            self._named[slot] = to
            head = self._head[slot]
            head.msg_name, head.msg_namelen = to.data, to.size

    def send(self, count: int) -> int:
        """Slots 0 … count - 1, in order: how many went out. One that the kernel refuses (its peer
        unreachable, its buffer full) is left out and the rest tried."""
        done = sent = 0
        while done < count:
            gone = _libc.sendmmsg(self._descriptor, self._messages + done, count - done, _DONT_WAIT)
            if gone > 0:
                done += gone
                sent += gone
                continue
            if _ffi.errno in (errno.EAGAIN, errno.EBADF):
                break  # no room for any
            if _ffi.errno != errno.EINTR:
                done += 1
        return sent
