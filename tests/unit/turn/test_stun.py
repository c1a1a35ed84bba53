"""The codec, by the samples of RFC 5769 and by what the standard forbids."""

import hashlib
import hmac
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turn import stun
from turn.stun import Attribute, Class, Malformed, Method

SHORT_TERM_KEY = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
"""§2.1; padded with spaces, which a reader must not mind."""
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
"""§2.2."""
RESPONSE_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
"""§2.3."""
LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473"
    "41"
    "0014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
"""§2.4."""


def raw(*attributes: bytes, kind: int = 0x0001, size: int | None = None) -> bytes:
    body = b"".join(attributes)
    length = len(body) if size is None else size
    return struct.pack("!HHI", kind, length, stun.COOKIE) + TRANSACTION + body


def attribute(kind: int, value: bytes, size: int | None = None) -> bytes:
    length = len(value) if size is None else size
    return struct.pack("!HH", kind, length) + value + bytes(-len(value) % 4)


def test_the_request_of_rfc_5769() -> None:
    message = stun.parse(REQUEST)
    assert (message.method, message.kind) == (Method.BINDING, Class.REQUEST)
    assert message.transaction_id == TRANSACTION
    assert message.attributes[Attribute.USERNAME] == b"evtj:h6vY"
    assert message.attributes[0x8022] == b"STUN test client"
    assert message.attributes[Attribute.PRIORITY] == bytes.fromhex("6e0001ff")
    assert message.attributes[Attribute.ICE_CONTROLLED] == bytes.fromhex("932ff9b151263b36")
    assert message.is_authentic(SHORT_TERM_KEY)
    assert not message.is_authentic(b"another")


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (RESPONSE, ("192.0.2.1", 32853)),
        (RESPONSE_6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_the_responses_of_rfc_5769(data: bytes, address: stun.Address) -> None:
    message = stun.parse(data)
    value = message.attributes[Attribute.XOR_MAPPED_ADDRESS]
    assert message.kind == Class.SUCCESS
    assert stun.decode_xor_address(value, TRANSACTION) == address
    assert stun.encode_xor_address(address, TRANSACTION) == value
    assert message.is_authentic(SHORT_TERM_KEY)


def test_the_long_term_request_of_rfc_5769() -> None:
    text = "マトリックス:example.org:TheMatrIX".encode()
    key = hashlib.md5(text, usedforsecurity=False).digest()
    message = stun.parse(LONG_TERM)
    assert message.attributes[Attribute.REALM] == b"example.org"
    assert message.attributes[Attribute.NONCE] == b"f//499k954d6OL34oL9FSTvy64sA"
    assert message.is_authentic(key)
    written = stun.encode(
        message.method,
        message.kind,
        message.transaction_id,
        [(kind, value) for kind, value in message.attributes.items() if kind != 8],
        key=key,
    )
    assert written == LONG_TERM


FINGERPRINT_TYPE = (100, 101)
"""Changed, there is no fingerprint to be wrong, only an attribute after the integrity."""


@pytest.mark.parametrize("at", [n for n in range(len(REQUEST)) if n not in FINGERPRINT_TYPE])
def test_one_octet_changed_is_noticed(at: int) -> None:
    changed = REQUEST[:at] + bytes([REQUEST[at] ^ 0x01]) + REQUEST[at + 1 :]
    with pytest.raises(Malformed):
        stun.parse(changed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        RESPONSE[:19],
        RESPONSE[:-1],
        RESPONSE + b"\0",
        RESPONSE + bytes(4),
        raw(kind=0x4001),
        raw(kind=0x8001),
        raw(size=4),
        raw(b"\0\0", size=2),
        raw(attribute(0x24, b"1234", size=5)),
        raw(attribute(0x24, b"1234", size=0xFFFF)),
        raw(attribute(0x08, bytes(19))),
        raw(attribute(0x08, bytes(24))),
        raw(attribute(0x8028, bytes(4))),
        raw(attribute(0x8028, bytes(8))),
        REQUEST[:4] + b"\0\0\0\0" + REQUEST[8:],
        raw(*[attribute(0x8022, b"")] * (stun.ATTRIBUTES_MAX + 1)),
        raw(attribute(0x8022, bytes(stun.MESSAGE_BYTES_MAX))),
    ],
)
def test_what_is_no_message_is_not_read(data: bytes) -> None:
    with pytest.raises(Malformed):
        stun.parse(data)


def test_what_is_just_within_the_bounds_is_read() -> None:
    assert stun.parse(raw(*[attribute(0x8022, b"")] * stun.ATTRIBUTES_MAX))
    room = stun.MESSAGE_BYTES_MAX - stun.HEADER_BYTES - 4
    assert stun.parse(raw(attribute(0x8022, bytes(room))))
    assert stun.parse(raw())


def test_a_fingerprint_must_come_last() -> None:
    right = stun.encode(1, Class.REQUEST, TRANSACTION, fingerprint=True)
    more = bytearray(right + attribute(0x8022, b""))
    more[3] += 4
    with pytest.raises(Malformed):
        stun.parse(bytes(more))


def test_of_two_the_first_counts_and_both_can_be_had() -> None:
    message = stun.parse(raw(attribute(0x12, b"one1"), attribute(0x12, b"2"), attribute(0x13, b"")))
    assert message.attributes[0x12] == b"one1"
    assert message.every(0x12) == [b"one1", b"2"]
    assert message.every(0x13) == [b""]
    assert message.every(0x14) == []


def test_what_follows_the_integrity_is_not_there() -> None:
    signed = stun.encode(1, Class.REQUEST, TRANSACTION, [(0x12, b"one1")], key=b"key")
    late = bytearray(signed + attribute(0x12, b"late") + attribute(0x0D, b"late"))
    late[3] += 16
    message = stun.parse(bytes(late))
    assert message.is_authentic(b"key")
    assert message.every(0x12) == [b"one1"]
    assert 0x0D not in message.attributes
    assert message.unknown({0x12, 0x08}) == []


def test_a_fingerprint_after_the_integrity_is_there() -> None:
    message = stun.parse(REQUEST)
    assert Attribute.FINGERPRINT in message.attributes


def test_a_second_integrity_is_not_taken_for_the_first() -> None:
    signed = stun.encode(1, Class.REQUEST, TRANSACTION, key=b"wrong")
    head = bytearray(signed)
    head[3] += 24
    digest = hmac.digest(b"key", bytes(head), "sha1")
    forged = bytes(head) + attribute(0x08, digest)
    assert not stun.parse(forged).is_authentic(b"key")


def test_without_integrity_nothing_is_authentic() -> None:
    assert not stun.parse(raw()).is_authentic(b"")


def test_only_what_must_be_understood_is_called_unknown() -> None:
    message = stun.parse(
        raw(attribute(0x7777, b""), attribute(0x8777, b""), attribute(0x24, b""), attribute(1, b""))
    )
    assert message.unknown({0x24}) == [0x7777, 1]
    assert stun.encode_unknown([0x7777, 1]) == bytes.fromhex("77770001")


def test_padding_is_zero() -> None:
    for size in range(9):
        data = stun.encode(1, Class.REQUEST, TRANSACTION, [(0x8022, b"\xff" * size)])
        assert data[24 + size :] == bytes(-size % 4)


@pytest.mark.parametrize("code", [300, 401, 438, 508, 699])
def test_error_codes_there_and_back(code: int) -> None:
    assert stun.decode_error(stun.encode_error(code, "Why")) == (code, "Why")


@pytest.mark.parametrize("code", [0, 299, 700])
def test_error_codes_have_a_range(code: int) -> None:
    with pytest.raises(ValueError, match="300"):
        stun.encode_error(code, "")


@pytest.mark.parametrize("value", [b"", b"\0\0\4", b"\0\0\2\0", b"\0\0\7\0", b"\0\0\4\x64"])
def test_what_is_no_error_code(value: bytes) -> None:
    with pytest.raises(Malformed):
        stun.decode_error(value)


@pytest.mark.parametrize("size", [0, 3, 4, 7, 9, 19, 20, 21])
@pytest.mark.parametrize("family", [0, 1, 2, 3])
def test_addresses_have_the_size_of_their_family(size: int, family: int) -> None:
    value = (bytes([0, family]) + bytes(30))[:size]
    if (size, family) == (20, 2):
        assert stun.decode_xor_address(value, TRANSACTION)
        return
    with pytest.raises(Malformed):
        stun.decode_xor_address(value, TRANSACTION)


def test_addresses_are_numeric() -> None:
    with pytest.raises(ValueError, match="example"):
        stun.encode_xor_address(("example.org", 1), TRANSACTION)


def test_a_transaction_id_has_twelve_octets() -> None:
    with pytest.raises(ValueError, match="12"):
        stun.encode(1, Class.REQUEST, b"short")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (REQUEST, True),
        (RESPONSE, True),
        (REQUEST[:19], False),
        (b"\x80" + REQUEST[1:], False),
        (b"\x16\xfe\xfd" + bytes(40), False),
        (b"\x40\x00\x00\x04" + bytes(20), False),
        (REQUEST[:4] + bytes(4) + REQUEST[8:], False),
    ],
)
def test_stun_among_other_protocols(data: bytes, expected: bool) -> None:
    assert stun.is_stun(data) is expected


attributes = st.lists(
    st.tuples(
        st.integers(0, 0xFFFF).filter(lambda kind: kind not in (0x08, 0x8028)),
        st.binary(max_size=40),
    ),
    max_size=10,
)


@given(
    st.integers(0, 0xFFF),
    st.sampled_from(list(Class)),
    st.binary(min_size=12, max_size=12),
    attributes,
    st.none() | st.binary(min_size=1, max_size=80),
    st.booleans(),
)
def test_there_and_back(
    method: int,
    kind: Class,
    transaction_id: bytes,
    sent: list[tuple[int, bytes]],
    key: bytes | None,
    fingerprint: bool,
) -> None:
    data = stun.encode(method, kind, transaction_id, sent, key=key, fingerprint=fingerprint)
    message = stun.parse(data)
    assert (message.method, message.kind) == (method, kind)
    assert message.transaction_id == transaction_id
    for name, _ in sent:
        assert message.every(name) == [value for each, value in sent if each == name]
    assert message.is_authentic(key or b"k") is (key is not None)
    assert (Attribute.FINGERPRINT in message.attributes) is fingerprint


@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_is_read_or_malformed(body: bytes, fingerprint: bool) -> None:
    body = body[: len(body) // 4 * 4]
    data = raw(body, size=len(body) + 8 * fingerprint)
    if fingerprint:
        data += attribute(0x8028, struct.pack("!I", zlib.crc32(data) ^ 0x5354554E))
    try:
        message = stun.parse(data)
    except Malformed:
        return
    for kind in message.attributes:
        assert message.attributes[kind] in (message.every(kind) or [message.attributes[kind]])
    message.is_authentic(b"key")


@given(st.binary(max_size=24), st.binary(min_size=12, max_size=12))
def test_any_address_value_is_read_or_malformed(value: bytes, transaction_id: bytes) -> None:
    try:
        address = stun.decode_xor_address(value, transaction_id)
    except Malformed:
        return
    assert stun.encode_xor_address(address, transaction_id)[1:] == value[1:]
