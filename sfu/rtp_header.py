"""The header of an RTP packet (RFC 3550 §5.1, RFC 8285), read where it lies and written anew."""

import struct
from collections.abc import Mapping
from typing import Final

from sfu.plane import ConsumerRoute

FIXED_BYTES: Final = 12
_ONE_BYTE: Final = 0xBEDE
_TWO_BYTE: Final = 0x1000
_WORDS: Final = struct.Struct("!HH")


def is_rtcp(datagram: bytes) -> bool:
    """RFC 5761 §4, of a datagram in RTP's range of RFC 7983."""
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


def payload_offset(packet: bytes | memoryview) -> int | None:
    """Where the payload begins; None when the header is not whole."""
    size = len(packet)
    if size < FIXED_BYTES or packet[0] >> 6 != 2:
        return None
    offset = FIXED_BYTES + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        if size < offset + 4:
            return None
        offset += 4 + 4 * _WORDS.unpack_from(packet, offset)[1]
    return offset if offset <= size else None


def extensions(packet: bytes | memoryview) -> dict[int, bytes]:
    """Header extension elements by id (RFC 8285 §4.2, §4.3). What is malformed ends the list."""
    if len(packet) < FIXED_BYTES or not packet[0] & 0x10:
        return {}
    start = FIXED_BYTES + 4 * (packet[0] & 0x0F)
    if len(packet) < start + 4:
        return {}
    profile, words = _WORDS.unpack_from(packet, start)
    block = bytes(packet[start + 4 : start + 4 + 4 * words])
    if profile == _ONE_BYTE:
        return _one_byte_elements(block)
    return _two_byte_elements(block) if profile & 0xFFF0 == _TWO_BYTE else {}


def _one_byte_elements(block: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(block):
        name, size = block[at] >> 4, (block[at] & 0x0F) + 1
        if block[at] == 0:
            at += 1
            continue
        if name == 15 or at + 1 + size > len(block):
            break
        found.setdefault(name, block[at + 1 : at + 1 + size])
        at += 1 + size
    return found


def _two_byte_elements(block: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(block):
        if block[at] == 0:
            at += 1
            continue
        if at + 2 > len(block) or at + 2 + block[at + 1] > len(block):
            break
        found.setdefault(block[at], block[at + 2 : at + 2 + block[at + 1]])
        at += 2 + block[at + 1]
    return found


def extension_block(elements: Mapping[int, bytes]) -> bytes:
    """With its length word; empty for no elements. Ids 1 … 14, 1 … 16 octets each: one-byte form."""
    if not elements:
        return b""
    block = b"".join(bytes([name << 4 | len(data) - 1]) + data for name, data in elements.items())
    block += bytes(-len(block) % 4)
    return _WORDS.pack(_ONE_BYTE, len(block) // 4) + block


def carried(route: ConsumerRoute, elements: Mapping[int, bytes]) -> bytes:
    """The extension block that this subscriber gets."""
    kept = {
        ours: elements[theirs] for theirs, ours in route.extensions.items() if theirs in elements
    }
    if route.mid_extension:
        kept[route.mid_extension] = route.mid
    return extension_block({name: data for name, data in kept.items() if 0 < len(data) <= 16})
