"""How many allocations an account, a client address and the relay as a whole may have."""

from collections import Counter
from typing import TypeVar
from uuid import UUID

from turn.settings import RelaySettings

K = TypeVar("K")


class Quota:
    def __init__(self, settings: RelaySettings) -> None:
        self._allocations_max = settings.allocations_max
        self._per_account_max = settings.allocations_per_account_max
        self._per_address_max = settings.allocations_per_address_max
        self._accounts: Counter[UUID] = Counter()
        self._groups: Counter[str] = Counter()
        self.total = 0

    def has_room(self, account: UUID, group: str) -> bool:
        return (
            self.total < self._allocations_max
            and self._accounts[account] < self._per_account_max
            and self._groups[group] < self._per_address_max
        )

    def take(self, account: UUID, group: str) -> None:
        self.total += 1
        self._accounts[account] += 1
        self._groups[group] += 1

    def give_back(self, account: UUID, group: str) -> None:
        self.total -= 1
        _lower(self._accounts, account)
        _lower(self._groups, group)


def _lower(counter: "Counter[K]", key: K) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
