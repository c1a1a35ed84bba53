"""Sends a node's bus messages: what gathers during one round trip goes with the next."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backplane.errors import Unavailable, WorldError
from backplane.registry.redis_client import RedisClient
from backplane.telemetry.metrics import Metrics

BATCH_MESSAGES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class _Outgoing:
    channels: Sequence[str]
    payload: bytes
    done: asyncio.Future[None]


class Publisher:
    def __init__(
        self, client: RedisClient, deadline_s: float, messages_max: int, metrics: Metrics
    ) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._messages_max = messages_max
        self._metrics = metrics
        self._waiting: deque[_Outgoing] = deque()
        self._flusher: asyncio.Task[None] | None = None

    async def publish(self, channels: Sequence[str], payload: bytes) -> None:
        """Return when Redis has it. Raise Unavailable when it has not in time, or too much waits."""
        if len(self._waiting) >= self._messages_max:
            self._metrics.bus_dropped.labels(reason="outgoing-full").inc()
            raise Unavailable("too many bus messages wait")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Outgoing(channels, payload, done))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="bus-publisher")
        try:
            async with asyncio.timeout(self._deadline_s):
                await done
        except TimeoutError:
            self._metrics.bus_dropped.labels(reason="late").inc()
            raise Unavailable("Redis: publish: too late") from None
        self._metrics.bus_messages.labels(direction="out").inc()

    async def _flush(self) -> None:
        while self._waiting:
            batch = self._take_batch()
            try:
                await self._client.publish(
                    [(channel, one.payload) for one in batch for channel in one.channels]
                )
            except WorldError:
                self._settle(batch, failed=True)
            else:
                self._settle(batch, failed=False)

    def _take_batch(self) -> list[_Outgoing]:
        """Those whose caller has given up are left out."""
        batch: list[_Outgoing] = []
        while self._waiting and len(batch) < BATCH_MESSAGES_MAX:
            one = self._waiting.popleft()
            if not one.done.done():
                batch.append(one)
        return batch

    def _settle(self, batch: Sequence[_Outgoing], failed: bool) -> None:
        for one in batch:
            if one.done.done():
                continue
            if failed:
                one.done.set_exception(Unavailable("Redis: publish failed"))
            else:
                one.done.set_result(None)

    async def shut(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
