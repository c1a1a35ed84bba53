"""Numbering of streams, against the obvious arithmetic without wraps."""

from hypothesis import given
from hypothesis import strategies as st

from sfu.stream import KEPT_PACKETS_MAX, Incoming, Outgoing


def test_numbers_rise_through_the_wrap() -> None:
    stream = Incoming(90_000)
    numbers = [stream.received(s & 0xFFFF, 0, 1, 0.0) for s in range(65_530, 65_545)]
    assert numbers == list(range(numbers[0], numbers[0] + 15))


def test_a_late_packet_has_the_number_it_missed() -> None:
    stream = Incoming(90_000)
    first = stream.received(3, 0, 1, 0.0)
    assert stream.received(65_535, 0, 1, 0.0) == first - 4
    assert stream.received(4, 0, 1, 0.0) == first + 1


def test_loss_is_what_was_expected_and_did_not_come() -> None:
    stream = Incoming(8_000)
    for sequence in (10, 11, 14, 13):
        stream.received(sequence, 0, 100, 0.0)
    counters = stream.counters()
    assert (counters.packets, counters.octets, counters.lost) == (4, 400, 1)
    assert counters.highest_sequence == 14


def test_jitter_is_nothing_for_an_even_stream_and_grows_for_an_uneven_one() -> None:
    even, uneven = Incoming(8_000), Incoming(8_000)
    for n in range(100):
        even.received(n, n * 160, 1, n * 0.02)
        uneven.received(n, n * 160, 1, n * 0.02 + (0.01 if n % 2 else 0))
    assert even.counters().jitter <= 1
    assert 60 <= uneven.counters().jitter <= 80  # 10 ms are 80 units


def test_the_newest_packets_are_kept_and_no_more() -> None:
    stream = Incoming(90_000)
    numbers = [stream.received(s, 0, 1, 0.0) for s in range(KEPT_PACKETS_MAX + 3)]
    for number in numbers:
        stream.keep(number, memoryview(str(number).encode()))
    assert stream.kept(numbers[2]) is None
    assert stream.kept(numbers[3]) == str(numbers[3]).encode()
    assert stream.kept(numbers[-1]) == str(numbers[-1]).encode()
    assert len(stream._kept) == KEPT_PACKETS_MAX


def test_a_pause_leaves_no_gap() -> None:
    out = Outgoing(100)
    assert [out.forward(n) for n in (1000, 1001)] == [100, 101]
    out.begin_anew()
    assert [out.forward(n) for n in (5000, 5001)] == [102, 103]
    assert out.forward(1002) is None
    assert (out.number(103), out.number(101)) == (5001, None)


def test_what_was_not_sent_has_no_number() -> None:
    out = Outgoing(0)
    assert out.number(0) is None
    out.forward(70_000)
    assert out.number(1) is None
    assert out.number(65_535) is None
    assert out.number(0) == 70_000


@given(
    first=st.integers(0, 2**15 - 1),
    start=st.integers(0, 65_535),
    steps=st.lists(st.integers(-20, 200), max_size=400),
)
def test_there_and_back(first: int, start: int, steps: list[int]) -> None:
    incoming, out = Incoming(90_000), Outgoing(first)
    true = begin = start + (1 << 16)
    for step in [0, *steps]:
        true = max(begin, true + step)
        number = incoming.received(true & 0xFFFF, 0, 1, 0.0)
        assert number == true
        sequence = out.forward(number)
        assert sequence == (true - begin + first) & 0xFFFF
        assert out.number(sequence) == true
