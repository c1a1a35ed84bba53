"""Listens on a node's channels, for as long as the node lives.

redis-py's own PubSub subscribes again by itself and tells nobody; here every new subscription is a
gap that the node must hear of, so the connection is driven directly (Redis protocol version 2).
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from backplane.bus.receiver import Receiver
from backplane.registry.redis_client import connection_pool
from backplane.registry.settings import RegistrySettings

log = structlog.get_logger()

PING_INTERVAL_S: Final = 5.0
"""A silent connection is asked for a sign of life this often; none within the deadline ends it."""
RECONNECT_S_MIN: Final = 0.05
TURN_MESSAGES_MAX: Final = 64
"""Messages taken in one go before other tasks have a turn."""


class Listener:
    def __init__(
        self, settings: RegistrySettings, channels: Sequence[str], receiver: Receiver
    ) -> None:
        self._pool = connection_pool(settings, connections_max=1)
        self._deadline_s = settings.deadline_ms / 1000
        self._reconnect_s_max = settings.bus_reconnect_s_max
        self._channels = channels
        self._receiver = receiver
        self._pause_s = RECONNECT_S_MIN
        self.subscribed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                self._report(error)
            self.subscribed.clear()
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1))  # noqa: S311 - spreads load, no secret
            self._pause_s = min(2 * self._pause_s, self._reconnect_s_max)

    def _report(self, error: Exception) -> None:
        """Once per outage: when a subscription was lost, or the first one failed."""
        if self._pause_s == RECONNECT_S_MIN:
            log.warning("bus connection lost", reason=type(error).__name__)

    async def _listen(self) -> None:
        async with asyncio.timeout(self._deadline_s):
            connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await self._subscribe(connection)
            self._pause_s = RECONNECT_S_MIN
            self.subscribed.set()
            self._receiver.gap()
            await self._read(connection)
        finally:
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)

    async def _subscribe(self, connection: AbstractConnection) -> None:
        await connection.send_command("SUBSCRIBE", *self._channels)
        confirmed = 0
        async with asyncio.timeout(self._deadline_s):
            while confirmed < len(self._channels):
                answer = await connection.read_response()
                confirmed += answer[0] == b"subscribe"
                self._take(answer)

    async def _read(self, connection: AbstractConnection) -> None:
        """Return never; raise when the connection broke or went silent."""
        asked = False
        messages = 0
        while True:
            patience_s = self._deadline_s if asked else PING_INTERVAL_S
            answer = await connection.read_response(timeout=patience_s, disconnect_on_error=False)
            if answer is None and asked:
                raise TimeoutError("no sign of life")
            if answer is None:
                await connection.send_command("PING")
                asked = True
                continue
            asked = False
            self._take(answer)
            messages += 1
            if messages % TURN_MESSAGES_MAX == 0:
                await asyncio.sleep(0)

    def _take(self, answer: Any) -> None:
        if answer[0] == b"message":
            self._receiver.message(answer[2])

    async def shut(self) -> None:
        await self._pool.disconnect()
