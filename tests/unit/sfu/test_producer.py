from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sfu.plane import ProducerCounters
from sfu.producer import REPAIRS_MAX, REPAIRS_PER_REQUEST_MAX, KeyframeRequests, Reception, Repairs
from sfu.rtcp import SenderInfo


@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=200))
def test_key_frames_are_asked_for_at_most_once_per_interval(steps: list[float]) -> None:
    """S16, and nobody's request is forgotten."""
    requests, now, sent = KeyframeRequests(0.5), 0.0, []
    for step in steps:
        now += step
        if requests.ask(now):
            sent.append(now)
    assert all(later - earlier >= 0.5 - 1e-9 for earlier, later in pairwise(sent))
    assert sent
    assert not requests.waiting or requests.due(sent[-1] + 0.501)


def test_what_is_lost_is_asked_for_once_per_interval() -> None:
    repairs = Repairs()
    assert repairs.fresh([1, 2], 0) == [1, 2]
    assert repairs.fresh([2, 3], 0.05) == [3]
    assert repairs.fresh([2, 3], 0.1) == [2]


def test_repairs_are_bounded() -> None:
    repairs = Repairs()
    assert len(repairs.fresh(range(1000), 0)) == REPAIRS_PER_REQUEST_MAX
    for start in range(0, 20_000, 100):
        repairs.fresh(range(start, start + 100), 1 + start)
    assert len(repairs._asked) <= REPAIRS_MAX


def test_reports_say_what_was_lost_since_the_last() -> None:
    reception = Reception()
    block = reception.block(9, ProducerCounters(75, 0, 25, 4, 200), 1)
    assert (block.fraction_lost, block.lost, block.last_sender_report) == (64, 25, 0)
    reception.heard(SenderInfo(9, 0x0000_1122_3344_5566, 0, 0, 0), 1.5)
    block = reception.block(9, ProducerCounters(175, 0, 25, 4, 300), 2)
    assert (block.fraction_lost, block.lost) == (0, 25)
    assert (block.last_sender_report, block.delay_since) == (0x1122_3344, 32768)
