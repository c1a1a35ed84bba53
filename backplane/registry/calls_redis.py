"""Where group calls are, whom they removed, and until when calls' relays are refreshed: a key each."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from backplane.registry.redis_client import RedisClient


class RedisPlacements:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _key(self, call: UUID) -> str:
        return self._client.key("placement", f"{{{call}}}")

    async def place(self, call: UUID, node: str, lifetime_ms: int) -> str:
        held = await self._client.run("placement_place", [self._key(call)], (node, lifetime_ms))
        return bytes(held).decode()

    async def hold(self, calls: Sequence[UUID], node: str, lifetime_ms: int) -> list[bool]:
        return list(await asyncio.gather(*(self._hold(call, node, lifetime_ms) for call in calls)))

    async def _hold(self, call: UUID, node: str, lifetime_ms: int) -> bool:
        held = await self._client.run("placement_hold", [self._key(call)], (node, lifetime_ms))
        return bool(held)

    async def release(self, call: UUID, node: str) -> None:
        await self._client.run("placement_release", [self._key(call)], (node,))


class RedisRelayDeadlines:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _key(self, call: UUID) -> str:
        return self._client.key("relay-deadline", f"{{{call}}}")

    async def put(self, call: UUID, until: int, lifetime_ms: int) -> None:
        await self._client.command("SET", self._key(call), until, "PX", lifetime_ms)

    async def put_new(self, call: UUID, until: int, lifetime_ms: int) -> None:
        await self._client.command("SET", self._key(call), until, "PX", lifetime_ms, "NX")

    async def get(self, call: UUID) -> int | None:
        until = await self._client.command("GET", self._key(call))
        return None if until is None else int(until)

    async def lift(self, call: UUID) -> None:
        await self._client.command("DEL", self._key(call))


class RedisRemovals:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _key(self, call: UUID, account: UUID) -> str:
        return self._client.key("removal", f"{{{call}}}", str(account))

    async def put(self, call: UUID, account: UUID, at: int, lifetime_ms: int) -> None:
        await self._client.command("SET", self._key(call, account), at, "PX", lifetime_ms)

    async def get(self, call: UUID, account: UUID) -> int | None:
        at = await self._client.command("GET", self._key(call, account))
        return None if at is None else int(at)
