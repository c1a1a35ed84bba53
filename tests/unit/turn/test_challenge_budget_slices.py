"""The budget of all together lasts the whole second, however early a flood begins."""

from turn.challenge_budget import SLICE_REPLIES_MIN, SLICES_PER_S, ChallengeBudget


def spent(budget: ChallengeBudget, now_s: float, count: int) -> int:
    return sum(budget.spend(f"2600::{n:x}", now_s) for n in range(count))


def test_a_flood_leaves_something_for_later_in_the_second() -> None:
    budget = ChallengeBudget(bytes(32), per_source_s=50, per_s=10_000)
    for slice_number in range(SLICES_PER_S):
        assert spent(budget, 7 + (slice_number + 0.5) / SLICES_PER_S, 2_000) == 500
    assert budget.dropped == SLICES_PER_S * 1_500


def test_no_second_has_more_than_the_budget() -> None:
    budget = ChallengeBudget(bytes(32), per_source_s=50, per_s=150)
    assert spent(budget, 7.0, 1_000) == SLICE_REPLIES_MIN
    assert spent(budget, 7.5, 1_000) == 50
    assert spent(budget, 7.9, 1_000) == 0
    assert spent(budget, 8.0, 1_000) == SLICE_REPLIES_MIN
