"""Group calls, a port beside the records: who made a call and who may join it.

Where a call is (its node) is a lease in the registry; that it exists, and for whom, must last. Adapters:
`group_calls_sql.py`, `group_calls_memory.py`. Times are UTC milliseconds; every method may raise
Unavailable or StorageFull.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class GroupCallRecord:
    call: UUID
    creator: UUID
    members: tuple[UUID, ...]
    """Beside the creator; by id."""
    link_token: str
    """Kept as it is: those who may join are shown it again, to pass it on."""
    created_at: int
    ended_at: int | None = None
    removed: tuple[UUID, ...] = ()
    """May not come back, whatever they show; by id."""


class GroupCalls(Protocol):
    async def create(self, call: GroupCallRecord) -> GroupCallRecord | None:
        """The call; as it was made before, when its creator asks again; None: the id is another's."""

    async def show(self, call: UUID) -> GroupCallRecord | None: ...

    async def end(self, call: UUID, at: int) -> bool:
        """False: unknown, or ended before."""

    async def add_member(self, call: UUID, account: UUID, members_max: int) -> bool:
        """True: it is one now, or was. False: it was removed, there are `members_max` (the removed
        counted in), or no such call."""

    async def remove_member(self, call: UUID, account: UUID, at: int, members_max: int) -> bool:
        """For good, whether it is a member or not yet. True: it is removed now, or was. False: no such
        call, or one more, who could not become a member, beside `members_max`."""

    async def aged(self, created_until: int, calls_max: int) -> tuple[UUID, ...]:
        """Those that were made by then and have not ended, the oldest first."""

    async def forget(self, ended_until: int, calls_max: int) -> int:
        """Delete calls that had ended by then, with their members: how many."""
