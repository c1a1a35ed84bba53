"""RTCP: RFC 3550 §6, feedback of RFC 4585 §6, and REMB. Bytes in, fields out, and back.

Left out: XR, APP, TMMBR, transport-wide congestion control; they are passed over.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203
TRANSPORT_FEEDBACK: Final = 205
PAYLOAD_FEEDBACK: Final = 206
NACK: Final = 1
PLI: Final = 1
FIR: Final = 4
APPLICATION: Final = 15
REPORT_BLOCKS_MAX: Final = 31
PACKETS_MAX: Final = 32
"""Of one compound; what comes after is not read."""
NACK_SEQUENCES_MAX: Final = 256
"""Of one NACK."""
REMB_SSRCS_MAX: Final = 255

_HEADER: Final = struct.Struct("!BBH")
_WORD: Final = struct.Struct("!I")
_TWO_WORDS: Final = struct.Struct("!II")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_PAIR: Final = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Packet:
    type: int
    count: int
    """Reports, sources, or the format of a feedback message."""
    body: bytes


@dataclass(frozen=True, slots=True)
class SenderInfo:
    ssrc: int
    ntp: int
    """64 bits."""
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class ReportBlock:
    ssrc: int
    fraction_lost: int
    """Of 256."""
    lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int
    """The middle 32 bits of its NTP time."""
    delay_since: int
    """1/65536 s."""


@dataclass(frozen=True, slots=True)
class Feedback:
    sender: int
    media: int
    information: bytes


def read_compound(data: bytes) -> tuple[list[Packet], bool]:
    """The packets, and whether all of it could be read."""
    packets: list[Packet] = []
    at = 0
    while at < len(data):
        if len(packets) >= PACKETS_MAX or at + 4 > len(data) or data[at] >> 6 != 2:
            return packets, False
        first, kind, words = _HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if end > len(data):
            return packets, False
        body = data[at + 4 : end]
        if first & 0x20:
            padding = body[-1] if body else 0
            if not 0 < padding <= len(body):
                return packets, False
            body = body[:-padding]
        packets.append(Packet(kind, first & 0x1F, body))
        at = end
    return packets, True


def read_sender_info(packet: Packet) -> SenderInfo | None:
    if len(packet.body) < _SENDER_INFO.size:
        return None
    return SenderInfo(*_SENDER_INFO.unpack_from(packet.body))


def read_feedback(packet: Packet) -> Feedback | None:
    if len(packet.body) < 8:
        return None
    sender, media = _TWO_WORDS.unpack_from(packet.body)
    return Feedback(sender, media, packet.body[8:])


def read_goodbye(packet: Packet) -> list[int]:
    count = min(packet.count, len(packet.body) // 4)
    return [_WORD.unpack_from(packet.body, 4 * index)[0] for index in range(count)]


def nack_sequences(information: bytes) -> list[int]:
    """RFC 4585 §6.2.1: at most NACK_SEQUENCES_MAX."""
    found: list[int] = []
    for at in range(0, len(information) - 3, 4):
        first, mask = _PAIR.unpack_from(information, at)
        found.append(first)
        found += [(first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        if len(found) >= NACK_SEQUENCES_MAX:
            break
    return found[:NACK_SEQUENCES_MAX]


def fir_ssrcs(information: bytes) -> list[int]:
    """RFC 5104 §4.3.1.1."""
    return [_WORD.unpack_from(information, at)[0] for at in range(0, len(information) - 7, 8)]


def is_remb(feedback: Feedback) -> bool:
    return feedback.information[:4] == b"REMB"


def receiver_report(sender: int, blocks: Sequence[ReportBlock] = ()) -> bytes:
    body = _WORD.pack(sender) + b"".join(_block(block) for block in blocks[:REPORT_BLOCKS_MAX])
    return _packet(RECEIVER_REPORT, min(len(blocks), REPORT_BLOCKS_MAX), body)


def _block(block: ReportBlock) -> bytes:
    lost = max(-(2**23), min(2**23 - 1, block.lost)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest_sequence & 0xFFFFFFFF,
        block.jitter & 0xFFFFFFFF,
        block.last_sender_report,
        block.delay_since,
    )


def sender_report(info: SenderInfo) -> bytes:
    words = info.timestamp & 0xFFFFFFFF, info.packets & 0xFFFFFFFF, info.octets & 0xFFFFFFFF
    return _packet(SENDER_REPORT, 0, _SENDER_INFO.pack(info.ssrc, info.ntp, *words))


def source_description(ssrc: int, cname: str) -> bytes:
    """RFC 3550 §6.5.1."""
    name = cname.encode()[:255]
    chunk = _WORD.pack(ssrc) + bytes([1, len(name)]) + name + b"\0"
    return _packet(SOURCE_DESCRIPTION, 1, chunk + bytes(-len(chunk) % 4))


def goodbye(ssrc: int) -> bytes:
    return _packet(GOODBYE, 1, _WORD.pack(ssrc))


def picture_loss(sender: int, media: int) -> bytes:
    return _packet(PAYLOAD_FEEDBACK, PLI, _TWO_WORDS.pack(sender, media))


def nack(sender: int, media: int, sequences: Iterable[int]) -> bytes:
    pairs: list[list[int]] = []
    for sequence in sorted(set(sequences)):
        step = sequence - pairs[-1][0] if pairs else 0
        if 0 < step <= 16:
            pairs[-1][1] |= 1 << (step - 1)
        else:
            pairs.append([sequence, 0])
    lost = b"".join(_PAIR.pack(*pair) for pair in pairs)
    return _packet(TRANSPORT_FEEDBACK, NACK, _TWO_WORDS.pack(sender, media) + lost)


def bitrate_limit(sender: int, bit_per_s: int, ssrcs: Sequence[int]) -> bytes:
    """REMB: mantissa of 18 bits, exponent of 6; media SSRC 0."""
    listed = ssrcs[:REMB_SSRCS_MAX]
    exponent = max(0, bit_per_s.bit_length() - 18)
    word = len(listed) << 24 | exponent << 18 | bit_per_s >> exponent
    body = _TWO_WORDS.pack(sender, 0) + b"REMB" + _WORD.pack(word)
    body += b"".join(_WORD.pack(ssrc) for ssrc in listed)
    return _packet(PAYLOAD_FEEDBACK, APPLICATION, body)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
