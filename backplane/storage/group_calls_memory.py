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
        if known is None or account in known.removed:
            return False
        if account not in known.members:
            if _listed(known) >= members_max:
                return False
            members = tuple(sorted({*known.members, account}))
            self._calls[call] = replace(known, members=members)
        return True

    async def remove_member(self, call: UUID, account: UUID, at: int, members_max: int) -> bool:
        del at
        known = self._calls.get(call)
        if known is None:
            return False
        if account not in (*known.members, *known.removed) and _listed(known) >= members_max:
            return False
        self._calls[call] = replace(
            known,
            members=tuple(member for member in known.members if member != account),
            removed=tuple(sorted({*known.removed, account})),
        )
        return True

    async def aged(self, created_until: int, calls_max: int) -> tuple[UUID, ...]:
        due = [
            known
            for known in self._calls.values()
            if known.ended_at is None and known.created_at <= created_until
        ]
        due.sort(key=lambda known: (known.created_at, known.call))
        return tuple(known.call for known in due[:calls_max])

    async def forget(self, ended_until: int, calls_max: int) -> int:
        old = [
            known.call
            for known in self._calls.values()
            if known.ended_at is not None and known.ended_at <= ended_until
        ][:calls_max]
        for call in old:
            del self._calls[call]
        return len(old)


def _listed(call: GroupCallRecord) -> int:
    return len(call.members) + len(call.removed)
