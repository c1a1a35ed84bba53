"""Where group calls are, whom they removed, and until when calls' relays are refreshed."""

from collections.abc import Callable, Sequence
from uuid import UUID

from backplane.registry.expiring_memory import ExpiringMap


class MemoryPlacements:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._nodes: ExpiringMap[UUID, str] = ExpiringMap(clock)

    async def place(self, call: UUID, node: str, lifetime_ms: int) -> str:
        held = self._nodes.get(call)
        if held is not None:
            return held
        self._nodes.put(call, node, lifetime_ms)
        return node

    async def hold(self, calls: Sequence[UUID], node: str, lifetime_ms: int) -> list[bool]:
        return [self._hold(call, node, lifetime_ms) for call in calls]

    def _hold(self, call: UUID, node: str, lifetime_ms: int) -> bool:
        if self._nodes.get(call) not in (None, node):
            return False
        self._nodes.put(call, node, lifetime_ms)
        return True

    async def release(self, call: UUID, node: str) -> None:
        if self._nodes.get(call) == node:
            self._nodes.pop(call)


class MemoryRelayDeadlines:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._until: ExpiringMap[UUID, int] = ExpiringMap(clock)

    async def put(self, call: UUID, until: int, lifetime_ms: int) -> None:
        self._until.put(call, until, lifetime_ms)

    async def put_new(self, call: UUID, until: int, lifetime_ms: int) -> None:
        if self._until.get(call) is None:
            self._until.put(call, until, lifetime_ms)

    async def get(self, call: UUID) -> int | None:
        return self._until.get(call)

    async def lift(self, call: UUID) -> None:
        self._until.pop(call)


class MemoryRemovals:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._removed: ExpiringMap[tuple[UUID, UUID], int] = ExpiringMap(clock)

    async def put(self, call: UUID, account: UUID, at: int, lifetime_ms: int) -> None:
        self._removed.put((call, account), at, lifetime_ms)

    async def get(self, call: UUID, account: UUID) -> int | None:
        return self._removed.get((call, account))
