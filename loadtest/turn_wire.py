"""As much of STUN and TURN as loading a relay takes, and cheap (RFC 8489, RFC 8656).

Not the relay's own codec: what is measured must not be what measures. IPv4 only.
"""

import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Host = tuple[str, int]

ALLOCATE: Final = 0x003
REFRESH: Final = 0x004
CHANNEL_BIND: Final = 0x009
UDP: Final = (0x0019, b"\x11\0\0\0")
_MAGIC: Final = 0x2112A442
_SUCCESS: Final = 0x0100
_ERROR: Final = 0x0110
_USERNAME, _INTEGRITY, _ERROR_CODE, _CHANNEL_NUMBER = 0x0006, 0x0008, 0x0009, 0x000C
_LIFETIME, _PEER, _REALM, _NONCE, _RELAYED = 0x000D, 0x0012, 0x0014, 0x0015, 0x0016
CHANNEL_HEADER_BYTES: Final = 4

Attribute = tuple[int, bytes]


class Refused(Exception):
    """The relay answered with an error that the load does not provoke on purpose."""


@dataclass(frozen=True, slots=True)
class Reply:
    transaction: bytes
    success: bool
    attributes: dict[int, bytes]

    @property
    def error(self) -> int:
        """0 in a success."""
        value = self.attributes.get(_ERROR_CODE)
        return value[2] * 100 + value[3] if value is not None else 0

    @property
    def relayed(self) -> Host:
        value = self.attributes[_RELAYED]
        port, address = struct.unpack_from("!HI", value, 2)
        return socket.inet_ntoa((address ^ _MAGIC).to_bytes(4, "big")), port ^ _MAGIC >> 16


class Signer:
    """Signs requests of one user; `learn` first what a challenge says."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._realm = b""
        self._key = b""

    def learn(self, challenge: Reply, nonce: bytes = b"") -> bytes:
        """The nonce to be used from now on at that socket. Raise Refused if it is no challenge.

        `nonce`: the one used so far; whoever has one hears 401 because of the credential.
        """
        if challenge.error != 438 and (challenge.error != 401 or nonce):
            raise Refused(f"error {challenge.error} in place of a challenge")
        realm = challenge.attributes[_REALM]
        if realm != self._realm:
            self._realm = realm
            secret = f"{self._username}:{realm.decode()}:{self._password}".encode()
            self._key = hashlib.md5(secret, usedforsecurity=False).digest()
        return challenge.attributes[_NONCE]

    def request(self, method: int, attributes: Sequence[Attribute], nonce: bytes) -> bytes:
        credentials = ((_USERNAME, self._username.encode()), (_REALM, self._realm), (_NONCE, nonce))
        body = _body((*attributes, *credentials))
        signed = _header(method, len(body) + 24) + body
        return signed + struct.pack("!HH", _INTEGRITY, 20) + hmac.digest(self._key, signed, "sha1")


def first_allocate() -> bytes:
    """Without credentials: it asks for the challenge."""
    body = _body((UDP,))
    return _header(ALLOCATE, len(body)) + body


def lifetime(seconds: int) -> Attribute:
    return _LIFETIME, struct.pack("!I", seconds)


def channel(number: int) -> Attribute:
    return _CHANNEL_NUMBER, struct.pack("!HH", number, 0)


def peer(host: Host) -> Attribute:
    address = int.from_bytes(socket.inet_aton(host[0]), "big") ^ _MAGIC
    return _PEER, struct.pack("!BBHI", 0, 1, host[1] ^ _MAGIC >> 16, address)


def channel_data(number: int, payload: bytes) -> bytes:
    return struct.pack("!HH", number, len(payload)) + payload


def _body(attributes: Sequence[Attribute]) -> bytes:
    return b"".join(
        struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
        for number, value in attributes
    )


def _header(method: int, length: int) -> bytes:
    return struct.pack("!HHI", method, length, _MAGIC) + os.urandom(12)


def read_reply(data: bytes) -> Reply:
    """Raise Refused for what is neither a success nor an error response."""
    kind = int.from_bytes(data[:2], "big") & 0x0110
    if len(data) < 20 or kind not in (_SUCCESS, _ERROR):
        raise Refused(f"no response: {data[:20].hex()}")
    attributes: dict[int, bytes] = {}
    at = 20
    while at + 4 <= len(data):
        number, length = struct.unpack_from("!HH", data, at)
        attributes.setdefault(number, data[at + 4 : at + 4 + length])
        at += 4 + length + (-length % 4)
    return Reply(data[8:20], kind == _SUCCESS, attributes)
