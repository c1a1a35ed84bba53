"""Budgets of one process."""

from collections.abc import Callable, Sequence

from backplane.registry.expiring_memory import ExpiringMap
from backplane.registry.ports import Budget, Exhausted


class MemoryLimits:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._spent: ExpiringMap[str, list[int]] = ExpiringMap(clock)
        self._seen: ExpiringMap[str, set[bytes]] = ExpiringMap(clock)

    async def spend(self, budgets: Sequence[Budget], amount: int = 1) -> Exhausted | None:
        for budget in budgets:
            spent = self._spent.get(budget.key) or [0]
            if spent[0] + amount > budget.limit:
                rest_ms = self._spent.rest_ms(budget.key) or budget.window_s * 1000
                return Exhausted(budget.key, -(-rest_ms // 1000))
        for budget in budgets:
            self._window(budget)[0] += amount
        return None

    async def spend_distinct(
        self, budget: Budget, members: Sequence[bytes]
    ) -> tuple[list[bool], int]:
        seen = self._seen.get(budget.key)
        fresh = seen is None
        seen = seen if seen is not None else set()
        allowed = [self._see(seen, member, budget.limit) for member in members]
        if fresh and seen:
            self._seen.put(budget.key, seen, budget.window_s * 1000)
        return allowed, max(budget.limit - len(seen), 0)

    def _window(self, budget: Budget) -> list[int]:
        spent = self._spent.get(budget.key)
        if spent is None:
            spent = [0]
            self._spent.put(budget.key, spent, budget.window_s * 1000)
        return spent

    def _see(self, seen: set[bytes], member: bytes, limit: int) -> bool:
        if member not in seen and len(seen) < limit:
            seen.add(member)
        return member in seen
