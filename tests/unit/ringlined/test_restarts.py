from hypothesis import given
from hypothesis import strategies as st

from ringlined.restarts import FIRST_PAUSE_S, PAUSE_S_MAX, STEADY_S, Restarts


def test_a_role_that_keeps_dying_waits_ever_longer() -> None:
    restarts, now, pauses = Restarts(), 0.0, []
    for _ in range(10):
        restarts.started(now)
        pauses.append(restarts.died(now + 0.01))
        now += 1
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_S_MAX
    assert restarts.count == 10


def test_a_role_that_was_steady_comes_back_at_once() -> None:
    restarts = Restarts()
    for now in range(5):
        restarts.started(now)
        restarts.died(now)
    restarts.started(100)
    assert restarts.died(100 + STEADY_S) == FIRST_PAUSE_S


@given(st.lists(st.floats(0, 100), max_size=50))
def test_the_pause_stays_within_its_limits(lives: list[float]) -> None:
    restarts, now = Restarts(), 0.0
    for life in lives:
        restarts.started(now)
        now += life
        assert FIRST_PAUSE_S <= restarts.died(now) <= PAUSE_S_MAX
