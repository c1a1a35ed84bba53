"""Tickets that were used, until they expire; and who was removed a moment ago. Bounded, sans-IO."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

REMOVALS_MAX: Final = 10_000
REMOVAL_KEPT_S: Final = 60
"""As long as a ticket from before it could live, and more."""


class UsedTickets:
    def __init__(self, tickets_max: int) -> None:
        self._tickets_max = tickets_max
        self._used: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, ticket: str, expires_at_s: float, now_s: float) -> bool | None:
        """True the first time, False again; None: too many are remembered to take another.
        Tickets live equally long, so the oldest expire first."""
        while self._used and next(iter(self._used.values())) <= now_s:
            self._used.popitem(last=False)
        if ticket in self._used:
            return False
        if len(self._used) >= self._tickets_max:
            return None
        self._used[ticket] = expires_at_s
        return True

    def give_back(self, ticket: str) -> None:
        """We could not do what it was for."""
        self._used.pop(ticket, None)


class RecentRemovals:
    """A removal that comes by the bus while the registry is being asked is not missed."""

    def __init__(self) -> None:
        self._removed: OrderedDict[tuple[UUID, UUID], float] = OrderedDict()

    def note(self, call: UUID, account: UUID, now_s: float) -> None:
        self._removed.pop((call, account), None)
        self._removed[call, account] = now_s
        if len(self._removed) > REMOVALS_MAX:
            self._removed.popitem(last=False)

    def since(self, call: UUID, account: UUID, issued_at_s: float, now_s: float) -> bool:
        while self._removed and next(iter(self._removed.values())) <= now_s - REMOVAL_KEPT_S:
            self._removed.popitem(last=False)
        removed = self._removed.get((call, account))
        return removed is not None and removed >= issued_at_s
