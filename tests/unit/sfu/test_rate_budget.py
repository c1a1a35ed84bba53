import pytest

from sfu.rate_budget import RateBudget


def test_a_burst_then_the_rate() -> None:
    budget = RateBudget(per_s=5, burst=20)
    assert [budget.take(100.0) for _ in range(20)] == [0] * 20
    assert budget.take(100.0) == pytest.approx(0.2)
    assert budget.take(100.19) > 0
    assert budget.take(100.2) == 0
    assert budget.take(100.2) == pytest.approx(0.2)


def test_a_pause_fills_it_to_the_burst_and_no_further() -> None:
    budget = RateBudget(per_s=5, burst=3)
    assert [budget.take(1000.0) == 0 for _ in range(5)] == [True, True, True, False, False]
    assert [budget.take(2000.0) == 0 for _ in range(5)] == [True, True, True, False, False]
