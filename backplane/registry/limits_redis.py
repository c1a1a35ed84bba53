"""Budgets. All in one slot of a cluster: spending from several at once must be one step, and what
is limited here (registrations, codes, look-ups) is rare beside what one server bears."""

from collections.abc import Sequence

from backplane.registry.ports import Budget, Exhausted
from backplane.registry.redis_client import Argument, RedisClient


class RedisLimits:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _key(self, kind: str, budget: Budget) -> str:
        return self._client.key("{limits}", kind, budget.key)

    async def spend(self, budgets: Sequence[Budget], amount: int = 1) -> Exhausted | None:
        if not budgets:
            return None
        arguments: list[Argument] = [amount]
        for budget in budgets:
            arguments += (budget.limit, budget.window_s * 1000)
        keys = [self._key("spent", budget) for budget in budgets]
        answer = await self._client.run("limit_spend", keys, arguments)
        if not answer:
            return None
        index, rest_ms = answer
        return Exhausted(budgets[index - 1].key, -(-rest_ms // 1000))

    async def spend_distinct(
        self, budget: Budget, members: Sequence[bytes]
    ) -> tuple[list[bool], int]:
        left, *allowed = await self._client.run(
            "limit_spend_distinct",
            [self._key("seen", budget)],
            (budget.limit, budget.window_s * 1000, *members),
        )
        return [bool(one) for one in allowed], left
