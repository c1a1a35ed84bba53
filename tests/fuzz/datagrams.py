"""Datagrams that a media or relay port should never have to see, and will.

A seeded stream: real messages of the protocols that share our UDP ports (STUN, TURN, DTLS, RTP, RTCP;
RFC 7983), damaged in the ways that parsers fall for. The same seed gives the same datagrams.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.integration.turn import wire
from tests.integration.turn.wire import Attr, Attribute, Kind, Method

SIZE_BYTES_MAX: Final = 1_400
TRANSACTION: Final = bytes(range(12))
_LENGTHS: Final = (0, 1, 3, 4, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFF9, 0xFFFC, 0xFFFF)


def stun_seeds() -> list[bytes]:
    """Connectivity checks as ICE sends them (RFC 8445 §7)."""
    check: list[Attribute] = [
        (Attr.USERNAME, b"abcd:efgh"),
        (0x0024, struct.pack("!I", 1_862_270_975)),
        (0x802A, bytes(8)),
        (0x0025, b""),
    ]
    plain = wire.encode(Method.BINDING, Kind.REQUEST, transaction=TRANSACTION)
    return [
        plain,
        wire.encode(Method.BINDING, Kind.REQUEST, check, transaction=TRANSACTION, key=bytes(22)),
        wire.encode(
            Method.BINDING,
            Kind.REQUEST,
            check,
            transaction=TRANSACTION,
            key=bytes(22),
            fingerprint=True,
        ),
        wire.encode(Method.BINDING, Kind.INDICATION, transaction=TRANSACTION, fingerprint=True),
        wire.encode(
            Method.BINDING,
            Kind.SUCCESS,
            [(Attr.XOR_MAPPED_ADDRESS, wire.address(("192.0.2.1", 9), TRANSACTION))],
            transaction=TRANSACTION,
        ),
        wire.encode(
            Method.BINDING, Kind.ERROR, [(Attr.ERROR_CODE, b"\0\0\4\x01")], transaction=TRANSACTION
        ),
    ]


def turn_attributes() -> list[Attribute]:
    """Every attribute of a TURN request, each well-formed."""
    return [
        (Attr.REQUESTED_TRANSPORT, wire.UDP),
        (Attr.LIFETIME, struct.pack("!I", 600)),
        (Attr.CHANNEL_NUMBER, wire.channel_number(0x4000)),
        (Attr.XOR_PEER_ADDRESS, wire.address(("192.0.2.1", 9), TRANSACTION)),
        (Attr.XOR_PEER_ADDRESS, wire.address(("2001:db8::1", 9), TRANSACTION)),
        (Attr.DATA, b"some data"),
        (Attr.REQUESTED_ADDRESS_FAMILY, b"\1\0\0\0"),
        (Attr.EVEN_PORT, b"\x80"),
        (Attr.RESERVATION_TOKEN, bytes(8)),
        (Attr.DONT_FRAGMENT, b""),
        (Attr.USERNAME, b"4102444800:4102444800:account:call"),
        (Attr.REALM, b"ringline"),
        (Attr.NONCE, b"a nonce"),
        (Attr.SOFTWARE, b"fuzz"),
        (0x001B, b"an access token"),
        (0x001C, bytes(32)),
        (0x001E, bytes(32)),
    ]


def turn_seeds() -> list[bytes]:
    every = turn_attributes()
    messages = [
        wire.encode(method, kind, every, transaction=TRANSACTION, key=bytes(16), fingerprint=True)
        for method in Method
        for kind in Kind
    ]
    short = [
        wire.encode(method, Kind.REQUEST, every[:4], transaction=TRANSACTION) for method in Method
    ]
    return [*messages, *short, *(wire.channel_data(n, b"channel data") for n in (0x4000, 0x4FFF))]


def dtls_seeds() -> list[bytes]:
    """Record headers of RFC 6347 §4.1 around a ClientHello's shape, an alert, application data."""
    hello = (
        b"\xfe\xfd"
        + bytes(32)
        + b"\0\0"
        + b"\0\4\xc0\x2b\xc0\x2f"
        + b"\1\0"
        + b"\0\x08\0\x0e\0\4\0\2\0\1"
    )
    handshake = struct.pack("!B3s", 1, len(hello).to_bytes(3, "big")) + bytes(5)
    handshake += len(hello).to_bytes(3, "big") + hello
    bodies = ((22, handshake), (21, b"\2\x28"), (23, bytes(40)), (20, b"\1"))
    return [
        struct.pack("!BHHIHH", kind, 0xFEFF, epoch, 0, number, len(body)) + body
        for number, (kind, body) in enumerate(bodies)
        for epoch in (0, 1)
    ]


def rtp_seeds() -> list[bytes]:
    """RFC 3550 §5.1, with and without CSRCs, padding and one- and two-byte header extensions."""
    plain = struct.pack("!BBHII", 0x80, 96, 1, 90_000, 0x1234_5678)
    one_byte = struct.pack("!HH", 0xBEDE, 2) + b"\x10\xaa\x22\1\2\3\0\0"
    two_byte = struct.pack("!HH", 0x1000, 2) + b"\1\1\xaa\2\2\1\2\0"
    return [
        plain + bytes(200),
        b"\x8f" + plain[1:] + bytes(60) + bytes(100),
        b"\x90" + plain[1:] + one_byte + bytes(200),
        b"\x90" + plain[1:] + two_byte + bytes(200),
        b"\xa0" + plain[1:] + bytes(50) + b"\0\0\0\4",
    ]


def rtcp_seeds() -> list[bytes]:
    """Reports, feedback, compound (RFC 3550 §6, RFC 4585 §6)."""
    report = struct.pack("!BBHI", 0x81, 201, 7, 1) + bytes(24)
    sender = struct.pack("!BBHI", 0x80, 200, 6, 1) + bytes(20)
    lines = struct.pack("!BBHI", 0x81, 202, 3, 1) + b"\1\4name\0\0"
    nack = struct.pack("!BBHIIHH", 0x81, 205, 3, 1, 2, 100, 0xFFFF)
    pli = struct.pack("!BBHII", 0x81, 206, 2, 1, 2)
    remb = struct.pack("!BBHII", 0x8F, 206, 5, 1, 0) + b"REMB\1\x12\x34\x56" + bytes(4)
    bye = struct.pack("!BBHI", 0x81, 203, 1, 1)
    return [report, sender + lines, nack, pli, remb, bye, sender + lines + nack + pli + remb + bye]


def all_seeds() -> list[bytes]:
    return [*stun_seeds(), *turn_seeds(), *dtls_seeds(), *rtp_seeds(), *rtcp_seeds()]


def mutated(seed: int, seeds: Sequence[bytes]) -> Iterator[bytes]:
    """An endless stream, none longer than SIZE_BYTES_MAX."""
    dice = random.Random(seed)
    while True:
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
            dice.choice(_MUTATIONS)(dice, data, seeds)
        if dice.random() < 0.5:
            _repair_length(data)
        yield bytes(data[:SIZE_BYTES_MAX])


Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def _flip(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _overwrite(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))


def _wrong_length(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A 16-bit number at an even place becomes a length that is tempting to believe."""
    if len(data) >= 4:
        at = dice.randrange(0, len(data) - 1, 2)
        data[at : at + 2] = dice.choice((*_LENGTHS, len(data), len(data) - at)).to_bytes(2, "big")


def _cut(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _grow(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data += dice.randbytes(dice.choice((1, 2, 3, 4, 64, 1000)))


def _splice(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = dice.choice(seeds)
    data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other)) :]


def _repeat(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A piece again, many times: duplicate attributes, nested records."""
    if data:
        at = dice.randrange(0, len(data), 4)
        piece = data[at : at + dice.choice((4, 8, 12))]
        data[at:at] = piece * dice.choice((1, 2, 50))


def _remove(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        at = dice.randrange(len(data))
        del data[at : at + dice.choice((1, 2, 4, 8))]


def _noise(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[:] = dice.randbytes(dice.randrange(64))


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    _flip, _overwrite, _wrong_length, _wrong_length, _cut, _grow, _splice, _repeat, _remove, _noise,
)  # fmt: skip


def _repair_length(data: bytearray) -> None:
    """A STUN header that tells the truth, so that the damage behind it is reached."""
    if len(data) >= wire.HEADER_BYTES and data[0] < 4:
        del data[len(data) - len(data) % 4 :]
        data[2:4] = (len(data) - wire.HEADER_BYTES & 0xFFFF).to_bytes(2, "big")
        data[4:8] = wire.MAGIC.to_bytes(4, "big")


def mutated_attributes(seed: int, attributes: Sequence[Attribute]) -> Iterator[list[Attribute]]:
    """An endless stream of attribute lists to be signed with a good key: damage behind the check."""
    dice = random.Random(seed)
    while True:
        chosen = dice.choices(attributes, k=dice.randrange(8))
        yield [_damaged(dice, *each) if dice.random() < 0.5 else each for each in chosen]


def _damaged(dice: random.Random, number: int, value: bytes) -> Attribute:
    if dice.random() < 0.2:
        number = dice.choice((number ^ 1 << dice.randrange(16), dice.randrange(0x10000)))
    data = bytearray(value)
    for _ in range(dice.randrange(3)):
        dice.choice((_flip, _overwrite, _cut, _grow, _remove))(dice, data, ())
    return number, bytes(data[:600])
