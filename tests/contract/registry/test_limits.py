import asyncio

import pytest

from backplane.registry.ports import Budget, LimitRegistry, Registry
from tests.contract.registry.conftest import Ground

NUMBER = Budget("registration:number:one", 3, 60)
ADDRESS = Budget("registration:address:one", 10, 3600)


@pytest.fixture
def limits(registry: Registry) -> LimitRegistry:
    return registry.limits


async def left(limits: LimitRegistry, budget: Budget) -> int:
    """What could still be spent: spends it."""
    count = 0
    while await limits.spend([budget]) is None:
        count += 1
    return count


async def test_a_budget_is_spent_and_then_names_itself(limits: LimitRegistry) -> None:
    for _ in range(3):
        assert await limits.spend([NUMBER]) is None
    exhausted = await limits.spend([NUMBER])
    assert exhausted is not None
    assert exhausted.key == NUMBER.key
    assert 59 <= exhausted.retry_after_s <= 60


async def test_all_or_none(limits: LimitRegistry) -> None:
    for _ in range(3):
        assert await limits.spend([ADDRESS, NUMBER]) is None
    for _ in range(5):
        exhausted = await limits.spend([ADDRESS, NUMBER])
        assert exhausted is not None
        assert exhausted.key == NUMBER.key
    assert await left(limits, ADDRESS) == 7


async def test_an_amount_that_does_not_fit_spends_nothing(limits: LimitRegistry) -> None:
    assert await limits.spend([ADDRESS], 4) is None
    assert await limits.spend([ADDRESS], 7) is not None
    assert await limits.spend([ADDRESS], 6) is None
    too_much = await limits.spend([Budget("untouched", 2, 30)], 3)
    assert too_much is not None
    assert too_much.retry_after_s == 30


async def test_a_hundred_at_once_never_overspend_nor_spend_in_part(limits: LimitRegistry) -> None:
    tight, wide = Budget("tight", 7, 60), Budget("wide", 1000, 60)
    results = await asyncio.gather(*(limits.spend([wide, tight]) for _ in range(100)))
    assert sum(result is None for result in results) == 7
    assert await limits.spend([wide], 993) is None
    assert await limits.spend([wide]) is not None


async def test_a_window_starts_with_the_first_spending(
    ground: Ground, limits: LimitRegistry
) -> None:
    budget = Budget("short", 2, 1)
    assert await limits.spend([budget]) is None
    await ground.pass_ms(600)
    assert await limits.spend([budget]) is None
    exhausted = await limits.spend([budget])
    assert exhausted is not None
    assert exhausted.retry_after_s == 1
    await ground.pass_ms(450)  # past the first spending's second, not past the second's
    assert await left(limits, budget) == 2


async def test_no_budgets_refuse_nothing(limits: LimitRegistry) -> None:
    assert await limits.spend([]) is None


async def test_members_seen_before_are_free(limits: LimitRegistry) -> None:
    budget = Budget("lookup:one", 3, 60)
    assert await limits.spend_distinct(budget, [b"a", b"b", b"a"]) == ([True, True, True], 1)
    assert await limits.spend_distinct(budget, [b"a", b"c", b"d", b"b", b"d"]) == (
        [True, True, False, True, False],
        0,
    )
    assert await limits.spend_distinct(budget, []) == ([], 0)


async def test_a_distinct_budget_starts_again(ground: Ground, limits: LimitRegistry) -> None:
    budget = Budget("lookup:short", 1, 1)
    assert await limits.spend_distinct(budget, [b"a"]) == ([True], 0)
    assert await limits.spend_distinct(budget, [b"b"]) == ([False], 0)
    await ground.pass_ms(1050)
    assert await limits.spend_distinct(budget, [b"b"]) == ([True], 0)


async def test_distinct_members_at_once_never_overspend(limits: LimitRegistry) -> None:
    budget = Budget("lookup:crowd", 20, 60)
    members = [[bytes([start + step]) for step in range(10)] for start in range(0, 200, 5)]
    answers = await asyncio.gather(*(limits.spend_distinct(budget, some) for some in members))
    allowed = {
        member
        for some, (flags, _) in zip(members, answers, strict=True)
        for member, flag in zip(some, flags, strict=True)
        if flag
    }
    assert len(allowed) == 20


async def test_the_two_kinds_of_budget_do_not_share_a_key(limits: LimitRegistry) -> None:
    budget = Budget("same", 1, 60)
    assert await limits.spend([budget]) is None
    assert await limits.spend_distinct(budget, [b"a"]) == ([True], 0)
