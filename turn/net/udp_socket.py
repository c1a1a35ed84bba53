"""A UDP socket on the event loop: drained in bounded steps, written to directly.

asyncio's datagram transport makes an object and a call-back of every datagram; here a wake-up takes what
is there, at most DRAIN_DATAGRAMS_MAX, so that one busy socket does not keep the others waiting.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from turn.stun import Address

DRAIN_DATAGRAMS_MAX: Final = 64
DATAGRAM_BYTES_MAX: Final = 65_535
SO_RCVBUFFORCE: Final = 33
"""Linux, socket(7); the standard library has no name for it."""


class UdpSocket:
    """`on_datagram(data, source)` must return at once."""

    def __init__(self, bound: socket.socket, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._socket = bound
        self._on_datagram = on_datagram
        self._loop = asyncio.get_running_loop()
        name = bound.getsockname()
        self.address: Address = (str(name[0]), int(name[1]))
        self._loop.add_reader(bound.fileno(), self._readable)

    def _readable(self) -> None:
        receive, handle = self._socket.recvfrom, self._on_datagram
        for _ in range(DRAIN_DATAGRAMS_MAX):
            try:
                data, source = receive(DATAGRAM_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of something sent earlier
            handle(data, source[:2])
            if self._socket.fileno() < 0:
                return  # closed by what came

    def send(self, data: bytes, to: Address) -> bool:
        """False: the system did not take it; nothing is kept for later."""
        try:
            self._socket.sendto(data, to)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()


def _make_room(made: socket.socket, buffer_bytes: int) -> None:
    """What waits while this process does not run must find room, or a flood's first victims are the
    calls. Beyond net.core.rmem_max with CAP_NET_ADMIN only; else as much as the system grants."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    try:
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes)
    except OSError:
        return


def bind(host: str, port: int, buffer_bytes: int) -> socket.socket:
    """Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _make_room(made, buffer_bytes)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
