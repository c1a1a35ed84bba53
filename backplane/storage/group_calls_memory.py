"""Group calls in memory: the twin."""

from dataclasses import replace
from uuid import UUID

from backplane.storage.group_calls import GroupCallRecord


class MemoryGroupCalls:
    def __init__(self) -> None:
        self._calls: dict[UUID, GroupCallRecord] = {}

    async def create(self, call: GroupCallRecord) -> GroupCallRecord | None:
        made = replace(call, members=tuple(sorted(set(call.members))))
        known = self._calls.setdefault(call.call, made)
        return known if known.creator == call.creator else None

    async def show(self, call: UUID) -> GroupCallRecord | None:
        return self._calls.get(call)

    async def end(self, call: UUID, at: int) -> bool:
        known = self._calls.get(call)
        if known is None or known.ended_at is not None:
            return False
        self._calls[call] = replace(known, ended_at=at)
        return True

    async def add_member(self, call: UUID, account: UUID, members_max: int) -> bool:
        known = self._calls.get(call)
        if known is None:
            return False
        if account not in known.members:
            if len(known.members) >= members_max:
                return False
            members = tuple(sorted({*known.members, account}))
            self._calls[call] = replace(known, members=members)
        return True

    async def remove_member(self, call: UUID, account: UUID) -> bool:
        known = self._calls.get(call)
        if known is None or account not in known.members:
            return False
        kept = tuple(member for member in known.members if member != account)
        self._calls[call] = replace(known, members=kept)
        return True
