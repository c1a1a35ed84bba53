"""STUN messages (RFC 8489), sans-IO: the one codec of the relay and of the SFU's ICE.

A message is read strictly: lengths must be exact, of an attribute that comes twice the first counts
(§14), and what follows MESSAGE-INTEGRITY is not there, FINGERPRINT apart (§14.5). What is written has
zeroes for padding. Left out: MESSAGE-INTEGRITY-SHA256, USERHASH, PASSWORD-ALGORITHMS (a server need not
offer them, §9.2), and the RFC 3489 form without a magic cookie.
"""

import enum
import hmac
import ipaddress
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

COOKIE: Final = 0x2112A442
HEADER_BYTES: Final = 20
MESSAGE_BYTES_MAX: Final = 1500
"""Longer ones do not come in one datagram."""
ATTRIBUTES_MAX: Final = 64
INTEGRITY_BYTES: Final = 24
FINGERPRINT_BYTES: Final = 8
_FINGERPRINT_XOR: Final = 0x5354554E
_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_LENGTH: Final = struct.Struct("!H")
_WORD: Final = struct.Struct("!I")
_COOKIE_BYTES: Final = COOKIE.to_bytes(4, "big")


class Class(enum.IntEnum):
    """§5, as its two bits stand in the message type."""

    REQUEST = 0x000
    INDICATION = 0x010
    SUCCESS = 0x100
    ERROR = 0x110


class Method(enum.IntEnum):
    """RFC 8489 §18.2, RFC 8656 §17. Others are plain numbers."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class Attribute(enum.IntEnum):
    """RFC 8489 §18.3, RFC 8656 §18, RFC 8445 §16.1."""

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
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    PASSWORD_ALGORITHM = 0x001D
    USERHASH = 0x001E
    XOR_MAPPED_ADDRESS = 0x0020
    RESERVATION_TOKEN = 0x0022
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    ADDITIONAL_ADDRESS_FAMILY = 0x8000
    PASSWORD_ALGORITHMS = 0x8002
    ALTERNATE_DOMAIN = 0x8003
    SOFTWARE = 0x8022
    ALTERNATE_SERVER = 0x8023
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


Address = tuple[str, int]
"""Numeric IP address and port."""


class Malformed(Exception):
    """The bytes are no STUN message. The text says which rule they break."""


@dataclass(frozen=True, slots=True)
class Message:
    method: int
    kind: int
    """One of Class."""
    transaction_id: bytes
    """12 octets."""
    attributes: Mapping[int, bytes]
    """Values without padding; MESSAGE-INTEGRITY and FINGERPRINT too. The first of each type."""
    data: bytes
    """The whole message."""
    integrity_offset: int
    """Where MESSAGE-INTEGRITY begins; 0: there is none."""
    repeated: frozenset[int] = frozenset()
    """Types that came more than once (before the integrity)."""

    def every(self, kind: int) -> list[bytes]:
        """All values of a type that may come more than once (RFC 8656 §9.1), in order."""
        if kind not in self.repeated:
            return [self.attributes[kind]] if kind in self.attributes else []
        values, at = [], HEADER_BYTES
        while at < (self.integrity_offset or len(self.data)):
            name, size = _ATTRIBUTE.unpack_from(self.data, at)
            if name == kind:
                values.append(self.data[at + 4 : at + 4 + size])
            at += 4 + size + (-size & 3)
        return values

    def unknown(self, known: Iterable[int]) -> list[int]:
        """Comprehension-required types (§14: below 0x8000) that are not in `known`, in order."""
        understood = set(known)
        return [each for each in self.attributes if each < 0x8000 and each not in understood]

    def is_authentic(self, key: bytes) -> bool:
        """Whether there is a MESSAGE-INTEGRITY and it is right (§14.5)."""
        end = self.integrity_offset
        if not end:
            return False
        # The length in the header counts up to and with the attribute itself.
        size = _LENGTH.pack(end - HEADER_BYTES + INTEGRITY_BYTES)
        digest = hmac.digest(key, self.data[:2] + size + self.data[4:end], "sha1")
        return hmac.compare_digest(digest, self.attributes[Attribute.MESSAGE_INTEGRITY])


def is_stun(datagram: bytes) -> bool:
    """Whether it can be one (RFC 7983 §7, RFC 8489 §6.3): first byte and magic cookie."""
    return len(datagram) >= HEADER_BYTES and datagram[0] < 4 and datagram[4:8] == _COOKIE_BYTES


def parse(data: bytes) -> Message:
    """One datagram, whole. Raises Malformed; a wrong FINGERPRINT is one reason (§14.7)."""
    if not HEADER_BYTES <= len(data) <= MESSAGE_BYTES_MAX:
        raise Malformed("too short or too long")
    kind, size, cookie, transaction_id = _HEADER.unpack_from(data)
    if kind & 0xC000 or cookie != COOKIE:
        raise Malformed("not STUN")
    if size % 4 or size != len(data) - HEADER_BYTES:
        raise Malformed("the length is not that of the datagram")
    attributes, integrity, repeated = _attributes(data)
    # §5: the bits of method and class are mixed.
    method = kind & 0x000F | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2
    return Message(method, kind & 0x0110, transaction_id, attributes, data, integrity, repeated)


def _attributes(data: bytes) -> tuple[dict[int, bytes], int, frozenset[int]]:
    found: dict[int, bytes] = {}
    repeated: set[int] = set()
    at, end, integrity, count = HEADER_BYTES, len(data), 0, 0
    while at < end:
        if end - at < 4:
            raise Malformed("an attribute is cut off")
        kind, size = _ATTRIBUTE.unpack_from(data, at)
        stop = at + 4 + size
        after = stop + (-size & 3)
        count += 1
        if after > end or count > ATTRIBUTES_MAX:
            raise Malformed("an attribute is longer than the message, or there are too many")
        if kind == Attribute.FINGERPRINT:
            _check_fingerprint(data, at, size, after)
            found[kind] = data[at + 4 : stop]
        elif not integrity:
            if kind in found:
                repeated.add(kind)
            elif kind == Attribute.MESSAGE_INTEGRITY:
                if size != 20:
                    raise Malformed("MESSAGE-INTEGRITY has 20 octets")
                integrity = at
            found.setdefault(kind, data[at + 4 : stop])
        at = after
    return found, integrity, frozenset(repeated)


def _check_fingerprint(data: bytes, at: int, size: int, after: int) -> None:
    """§14.7."""
    if size != 4 or after != len(data):
        raise Malformed("FINGERPRINT must come last and have 4 octets")
    if _WORD.unpack_from(data, at + 4)[0] != zlib.crc32(data[:at]) ^ _FINGERPRINT_XOR:
        raise Malformed("the fingerprint is wrong")


def message_type(method: int, kind: int) -> int:
    """§5."""
    return method & 0x000F | (method & 0x0070) << 1 | (method & 0x0F80) << 2 | kind


def encode(
    method: int,
    kind: int,
    transaction_id: bytes,
    attributes: Iterable[tuple[int, bytes]] = (),
    *,
    key: bytes | None = None,
    fingerprint: bool = False,
) -> bytes:
    """With MESSAGE-INTEGRITY when there is a key. Raises ValueError for what cannot be a message."""
    if len(transaction_id) != 12:
        raise ValueError("a transaction id has 12 octets")
    body = b"".join(
        _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) & 3)
        for name, value in attributes
    )
    kind = message_type(method, kind)
    if key is not None:
        head = _HEADER.pack(kind, len(body) + INTEGRITY_BYTES, COOKIE, transaction_id)
        digest = hmac.digest(key, head + body, "sha1")
        body += _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY, 20) + digest
    if not fingerprint:
        return _HEADER.pack(kind, len(body), COOKIE, transaction_id) + body
    message = _HEADER.pack(kind, len(body) + FINGERPRINT_BYTES, COOKIE, transaction_id) + body
    check = zlib.crc32(message) ^ _FINGERPRINT_XOR
    return message + _ATTRIBUTE.pack(Attribute.FINGERPRINT, 4) + _WORD.pack(check)


def encode_xor_address(address: Address, transaction_id: bytes) -> bytes:
    """§14.2. Raises ValueError for an address that is not numeric."""
    packed = ipaddress.ip_address(address[0]).packed
    family = 1 if len(packed) == 4 else 2
    masked = _masked(packed, transaction_id)
    return struct.pack("!BBH", 0, family, address[1] ^ COOKIE >> 16) + masked


def decode_xor_address(value: bytes, transaction_id: bytes) -> Address:
    """Raises Malformed."""
    sizes = {1: 8, 2: 20}
    if len(value) < 4 or sizes.get(value[1]) != len(value):
        raise Malformed("not an address")
    port = int.from_bytes(value[2:4], "big") ^ COOKIE >> 16
    packed = _masked(value[4:], transaction_id)
    return str(ipaddress.ip_address(packed)), port


def _masked(packed: bytes, transaction_id: bytes) -> bytes:
    mask = (_COOKIE_BYTES + transaction_id)[: len(packed)]
    return (int.from_bytes(packed, "big") ^ int.from_bytes(mask, "big")).to_bytes(
        len(packed), "big"
    )


def encode_error(code: int, reason: str) -> bytes:
    """ERROR-CODE, §14.8. Raises ValueError for a code out of 300 … 699."""
    if not 300 <= code <= 699:
        raise ValueError("an error code is 300 … 699")
    return bytes([0, 0, code // 100, code % 100]) + reason.encode()


def decode_error(value: bytes) -> tuple[int, str]:
    """Raises Malformed."""
    if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        raise Malformed("not an error code")
    return (value[2] & 7) * 100 + value[3], value[4:].decode(errors="replace")


def encode_unknown(types: Iterable[int]) -> bytes:
    """UNKNOWN-ATTRIBUTES, §14.9."""
    return b"".join(_LENGTH.pack(each) for each in types)
