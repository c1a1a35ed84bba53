"""Looking people up: known numbers are free, new ones come from the day's budget."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest

from backplane.registry.ports import Budget
from messaging.errors import Refused
from ringline.protocol.resources import Lookup
from ringline.protocol.types import Address
from tests.unit.messaging.conftest import NUMBER, BuildTown, Town

DAY_MS = 24 * 3600 * 1000
SpendDistinct = Callable[[Budget, Sequence[bytes]], Awaitable[tuple[list[bool], int]]]


async def test_registered_ones_are_found_by_any_spelling(town: Town) -> None:
    account = await town.register()
    caller = Address(account.account, 1)
    wish = Lookup(numbers=["+44 20 7946 0000", "+442079460009", "no number"])
    result = await town.messaging.lookups.find(caller, wish)
    assert [(f.number, f.account) for f in result.found] == [(NUMBER, account.account)]
    assert result.new_numbers_left == 5_000 - 2


async def test_asking_again_costs_nothing(build_town: BuildTown) -> None:
    town = build_town(lookup_numbers_per_day=3)
    account = await town.register()
    caller = Address(account.account, 1)
    for _ in range(5):
        result = await town.messaging.lookups.find(caller, Lookup(numbers=[NUMBER]))
        assert result.new_numbers_left == 2
        assert len(result.found) == 1


async def test_past_the_budget_nothing_new_is_answered(build_town: BuildTown) -> None:
    town = build_town(lookup_numbers_per_day=2)
    account = await town.register()
    caller = Address(account.account, 1)
    others = [f"+44207946{number:04d}" for number in range(1, 5)]
    first = await town.messaging.lookups.find(caller, Lookup(numbers=[*others, NUMBER]))
    assert first.new_numbers_left == 0
    assert not first.found, "the own number came after the budget's end"
    with pytest.raises(Refused) as refused:
        await town.messaging.lookups.find(caller, Lookup(numbers=[NUMBER]))
    assert refused.value.problem.status == 429
    town.clock.now += DAY_MS + 1
    later = await town.messaging.lookups.find(caller, Lookup(numbers=[NUMBER]))
    assert len(later.found) == 1


async def test_registry_cannot_tell_which_number_was_asked_about(
    build_town: BuildTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []
    for key in ("one", "another"):
        town = build_town(lookup_key=key)
        limits = town.messaging.registry.limits
        spending = limits.spend_distinct

        async def watched(
            budget: Budget,
            members: Sequence[bytes],
            spending: SpendDistinct = spending,
        ) -> tuple[list[bool], int]:
            kept.extend(members)
            return await spending(budget, members)

        monkeypatch.setattr(limits, "spend_distinct", watched)
        caller = Address(UUID(int=1), 1)
        await town.messaging.lookups.find(caller, Lookup(numbers=[NUMBER]))
    assert len(set(kept)) == 2, "without the key the hash says nothing"
    assert NUMBER.encode() not in b"".join(kept)
