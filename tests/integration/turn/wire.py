"""STUN and TURN on the wire, written a second time for the tests (RFC 8489, RFC 8656).

It shares no line with the relay's own codec, so that a mistake in one does not cancel out in the other.
"""

import hashlib
import hmac
import ipaddress
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC: Final = 0x2112A442
FINGERPRINT_XOR: Final = 0x5354554E
HEADER_BYTES: Final = 20
UDP: Final = b"\x11\0\0\0"

Host = tuple[str, int]
Attribute = tuple[int, bytes]


class Method(IntEnum):
    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class Kind(IntEnum):
    """The message's class, RFC 8489 §5."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


class Attr(IntEnum):
    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    CHANNEL_NUMBER = 0x000C
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_ADDRESS_FAMILY = 0x0017
    EVEN_PORT = 0x0018
    REQUESTED_TRANSPORT = 0x0019
    DONT_FRAGMENT = 0x001A
    XOR_MAPPED_ADDRESS = 0x0020
    RESERVATION_TOKEN = 0x0022
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028


class NotStun(Exception):
    """What came is no well-formed STUN message; the text says where."""


@dataclass(frozen=True, slots=True)
class Message:
    method: int
    kind: Kind
    transaction: bytes
    attributes: tuple[Attribute, ...]
    padding: bytes
    """Every pad byte of every attribute, in order."""
    raw: bytes

    def get(self, kind: int) -> bytes | None:
        return next((value for number, value in self.attributes if number == kind), None)

    def need(self, kind: int) -> bytes:
        value = self.get(kind)
        assert value is not None, f"no attribute {kind:#06x} in {self}"
        return value

    @property
    def error(self) -> int | None:
        """The error code of an error response, None in any other message."""
        value = self.get(Attr.ERROR_CODE)
        return None if value is None else (value[2] & 7) * 100 + value[3]

    def address(self, kind: int) -> Host:
        return read_address(self.need(kind), self.transaction)

    @property
    def lifetime_s(self) -> int:
        return int.from_bytes(self.need(Attr.LIFETIME), "big")


def new_transaction() -> bytes:
    return os.urandom(12)


def encode(
    method: int,
    kind: int,
    attributes: Sequence[Attribute] = (),
    *,
    transaction: bytes,
    key: bytes | None = None,
    fingerprint: bool = False,
    pad: bytes = b"\0",
) -> bytes:
    """`key`: MESSAGE-INTEGRITY is appended. `pad` fills the padding: a receiver must ignore it."""
    body = b"".join(attribute(number, value, pad) for number, value in attributes)
    if key is not None:
        head = _header(method, kind, len(body) + 24, transaction)
        body += attribute(Attr.MESSAGE_INTEGRITY, hmac.digest(key, head + body, "sha1"))
    if fingerprint:
        head = _header(method, kind, len(body) + 8, transaction)
        body += attribute(Attr.FINGERPRINT, _crc(head + body))
    return _header(method, kind, len(body), transaction) + body


def _header(method: int, kind: int, length: int, transaction: bytes) -> bytes:
    """RFC 8489 §5: the class's two bits lie between the method's, M11-M7 C1 M6-M4 C0 M3-M0."""
    spread = (method & 0xF80) << 2 | (method & 0x70) << 1 | (method & 0xF)
    kind_bits = (kind & 2) << 7 | (kind & 1) << 4
    return struct.pack("!HHI", spread | kind_bits, length, MAGIC) + transaction


def attribute(kind: int, value: bytes, pad: bytes = b"\0") -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + pad * (-len(value) % 4)


def _crc(data: bytes) -> bytes:
    return (zlib.crc32(data) ^ FINGERPRINT_XOR).to_bytes(4, "big")


def decode(data: bytes) -> Message:
    """Raise NotStun."""
    if len(data) < HEADER_BYTES:
        raise NotStun(f"{len(data)} bytes")
    first, length, magic = struct.unpack_from("!HHI", data)
    if first >> 14 or magic != MAGIC or length != len(data) - HEADER_BYTES or length % 4:
        raise NotStun(f"header {data[:8].hex()} of {len(data)} bytes")
    method = (first & 0x3E00) >> 2 | (first & 0xE0) >> 1 | (first & 0xF)
    kind = Kind((first & 0x100) >> 7 | (first & 0x10) >> 4)
    attributes, padding = _attributes(data)
    return Message(method, kind, data[8:20], attributes, padding, data)


def _attributes(data: bytes) -> tuple[tuple[Attribute, ...], bytes]:
    found: list[Attribute] = []
    padding = b""
    at = HEADER_BYTES
    while at < len(data):
        number, length = struct.unpack_from("!HH", data, at)
        end = at + 4 + length
        after = end + (-length % 4)
        if after > len(data):
            raise NotStun(f"attribute {number:#06x} of {length} bytes at {at}")
        found.append((number, data[at + 4 : end]))
        padding += data[end:after]
        at = after
    return tuple(found), padding


def intact(message: Message, key: bytes) -> bool:
    """Whether its MESSAGE-INTEGRITY (and FINGERPRINT, if it has one) is right."""
    at = HEADER_BYTES
    for number, value in message.attributes:
        if number == Attr.MESSAGE_INTEGRITY:
            covered = _shortened(message.raw, at, 24)
            if not hmac.compare_digest(hmac.digest(key, covered, "sha1"), value):
                return False
        if number == Attr.FINGERPRINT and _crc(_shortened(message.raw, at, 8)) != value:
            return False
        at += 4 + len(value) + (-len(value) % 4)
    return message.get(Attr.MESSAGE_INTEGRITY) is not None


def _shortened(raw: bytes, at: int, own_bytes: int) -> bytes:
    """What precedes the attribute at `at`, with a length that ends with it."""
    return raw[:2] + struct.pack("!H", at - HEADER_BYTES + own_bytes) + raw[4:at]


def address(host: Host, transaction: bytes) -> bytes:
    """XOR-…-ADDRESS, RFC 8489 §14.2."""
    packed = ipaddress.ip_address(host[0]).packed
    mask = MAGIC.to_bytes(4, "big") + transaction
    hidden = bytes(a ^ b for a, b in zip(packed, mask, strict=False))
    family = 1 if len(packed) == 4 else 2
    return struct.pack("!BBH", 0, family, host[1] ^ MAGIC >> 16) + hidden


def read_address(value: bytes, transaction: bytes) -> Host:
    _, family, port = struct.unpack_from("!BBH", value)
    assert len(value) == {1: 8, 2: 20}[family]
    mask = MAGIC.to_bytes(4, "big") + transaction
    packed = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(packed)), port ^ MAGIC >> 16


def channel_number(number: int) -> bytes:
    return struct.pack("!HH", number, 0)


def channel_data(number: int, payload: bytes) -> bytes:
    """RFC 8656 §12.4; over UDP no padding is needed."""
    return struct.pack("!HH", number, len(payload)) + payload


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """RFC 8489 §9.2.2."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()
