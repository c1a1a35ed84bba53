"""How many allocations an account, an address and all together may have."""

from uuid import UUID

import pytest

from turn.quota import Quota
from turn.settings import RelaySettings

ANNA, BEN = UUID(int=1), UUID(int=2)
SETTINGS = RelaySettings(
    allocations_max=4, allocations_per_account_max=2, allocations_per_address_max=3
)


@pytest.fixture
def quota() -> Quota:
    return Quota(SETTINGS)


def test_an_account_has_its_own(quota: Quota) -> None:
    quota.take(ANNA, "one")
    quota.take(ANNA, "two")
    assert not quota.has_room(ANNA, "three")
    assert quota.has_room(BEN, "one")
    quota.give_back(ANNA, "one")
    assert quota.has_room(ANNA, "three")


def test_an_address_has_its_own(quota: Quota) -> None:
    for number in range(3):
        quota.take(UUID(int=number + 10), "one")
    assert not quota.has_room(ANNA, "one")
    assert quota.has_room(ANNA, "two")
    quota.give_back(UUID(int=10), "one")
    assert quota.has_room(ANNA, "one")


def test_all_together_have_theirs(quota: Quota) -> None:
    for number in range(4):
        quota.take(UUID(int=number + 10), f"{number}")
    assert not quota.has_room(ANNA, "other")
    quota.give_back(UUID(int=10), "0")
    assert quota.has_room(ANNA, "other")
    assert quota.total == 3


def test_whoever_has_nothing_costs_nothing(quota: Quota) -> None:
    quota.take(ANNA, "one")
    quota.give_back(ANNA, "one")
    for number in range(1_000):
        quota.has_room(UUID(int=number), f"{number}")
    assert vars(quota)["_accounts"] == {}
    assert vars(quota)["_groups"] == {}
