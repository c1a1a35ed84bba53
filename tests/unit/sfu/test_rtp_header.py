"""Headers, against those that aiortc writes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu import rtp_header
from sfu.plane import ConsumerRoute


def route(**changes: Any) -> ConsumerRoute:
    known: dict[str, Any] = {
        "consumer": 1,
        "peer": 1,
        "ssrc": 1,
        "payload_types": {96: 96},
        "first_sequence": 0,
    }
    return ConsumerRoute(**{**known, **changes})


FIXED = bytes([0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])


@pytest.mark.parametrize(
    ("packet", "offset"),
    [
        (FIXED, 12),
        (FIXED + b"abc", 12),
        (bytes([0x82]) + FIXED[1:] + bytes(8) + b"abc", 20),
        (bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00\x01" + bytes(4) + b"abc", 20),
        (FIXED[:11], None),
        (b"\x40" + FIXED[1:], None),
        (bytes([0x8F]) + FIXED[1:] + bytes(8), None),
        (bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00", None),
        (bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00\x02" + bytes(4), None),
    ],
)
def test_where_the_payload_begins(packet: bytes, offset: int | None) -> None:
    assert rtp_header.payload_offset(packet) == offset


def test_elements_of_both_forms_are_read() -> None:
    one = bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00\x02" + b"\x31ab\x00\x00\x40x\x00"
    two = bytes([0x90]) + FIXED[1:] + b"\x10\x00\x00\x02" + b"\x03\x02ab\x20\x01x\x00"
    assert rtp_header.extensions(one) == {3: b"ab", 4: b"x"}
    assert rtp_header.extensions(two) == {3: b"ab", 0x20: b"x"}


def test_the_first_of_two_with_one_id_counts() -> None:
    packet = bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00\x01" + b"\x30a\x30b"
    assert rtp_header.extensions(packet) == {3: b"a"}


@given(st.binary(max_size=80))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    rtp_header.payload_offset(data)
    rtp_header.extensions(data)
    rtp_header.extensions(bytes([0x90]) + FIXED[1:] + data)


@given(
    st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), min_size=1, max_size=8)
)
def test_what_is_written_is_read(elements: dict[int, bytes]) -> None:
    block = rtp_header.extension_block(elements)
    assert len(block) % 4 == 0
    packet = bytes([0x90]) + FIXED[1:] + block + b"payload"
    assert rtp_header.extensions(packet) == elements
    assert rtp_header.payload_offset(packet) == 12 + len(block)


def test_a_subscriber_gets_its_own_mid_and_what_is_carried_over() -> None:
    block = rtp_header.carried(
        route(mid=b"7", mid_extension=9, extensions={1: 5, 2: 6}), {1: b"level", 3: b"other"}
    )
    packet = bytes([0x90]) + FIXED[1:] + block
    assert rtp_header.extensions(packet) == {9: b"7", 5: b"level"}
    assert rtp_header.carried(route(), {1: b"x"}) == b""


@pytest.mark.parametrize(("second", "rtcp"), [(96, False), (191, False), (192, True), (223, True)])
def test_rtcp_is_told_from_rtp(second: int, rtcp: bool) -> None:
    assert rtp_header.is_rtcp(bytes([0x80, second])) is rtcp
