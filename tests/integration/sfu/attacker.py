"""Somebody else on the network: a socket that the node has never validated."""

import socket
import struct
from types import TracebackType
from typing import Self

from OpenSSL import SSL

from sfu.plane import SocketAddress
from turn import stun
from turn.stun import Attribute, Class, Method

Attributes = list[tuple[int, bytes]]


class Attacker:
    def __init__(self, target: SocketAddress) -> None:
        self.target = target
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.sendto(datagram, self.target)

    def heard(self) -> list[bytes]:
        """All that has come so far."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096))
            except BlockingIOError:
                return found


def client_hello() -> bytes:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    connection = SSL.Connection(context)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return connection.bio_read(4096)
    raise AssertionError("nobody answers here")


def check(
    name: str, password: str | None, *attributes: tuple[int, bytes], transaction: bytes = bytes(12)
) -> bytes:
    """A connectivity check that nominates."""
    listed: Attributes = [
        (Attribute.USERNAME, name.encode()),
        (Attribute.PRIORITY, struct.pack("!I", 1)),
        (Attribute.USE_CANDIDATE, b""),
        *attributes,
    ]
    return stun.encode(
        Method.BINDING,
        Class.REQUEST,
        transaction,
        listed,
        key=None if password is None else password.encode(),
        fingerprint=True,
    )


def with_second_name(signed: bytes, name: str) -> bytes:
    """A user name after the integrity, where nothing may count (RFC 8489 §14.5)."""
    unsigned_fingerprint = signed[:-8]
    value = name.encode()
    late = struct.pack("!HH", Attribute.USERNAME, len(value)) + value + bytes(-len(value) % 4)
    body = unsigned_fingerprint[20:] + late
    return (
        unsigned_fingerprint[:2] + struct.pack("!H", len(body)) + unsigned_fingerprint[4:20] + body
    )
