"""The bus on Redis publish/subscribe: a channel for each node and one for all."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from backplane.bus.codec import encode_message
from backplane.bus.listener_redis import Listener
from backplane.bus.ports import AnyBusMessage
from backplane.bus.publisher_redis import Publisher
from backplane.bus.receiver import Receiver
from backplane.registry.redis_client import RedisClient
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics

_PUBLISHER_CONNECTIONS_MAX: Final = 1


class RedisBus:
    def __init__(self, settings: RegistrySettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._deadline_s = settings.deadline_ms / 1000
        self._client = RedisClient(settings, metrics, _PUBLISHER_CONNECTIONS_MAX)
        self._publisher = Publisher(
            self._client, self._deadline_s, settings.bus_outgoing_messages_max, metrics
        )
        self._listener: Listener | None = None
        self._listening: asyncio.Task[None] | None = None

    def _channel(self, node: str) -> str:
        return self._client.key("bus", "node", node)

    def _channel_of_all(self) -> str:
        return self._client.key("bus", "all")

    async def start(
        self, node: str, on_message: Callable[[AnyBusMessage], None], on_gap: Callable[[], None]
    ) -> None:
        """Waits for the subscription, but no longer than the deadline."""
        receiver = Receiver(on_message, on_gap, self._metrics)
        channels = (self._channel(node), self._channel_of_all())
        self._listener = Listener(self._settings, channels, receiver)
        self._listening = asyncio.create_task(self._listener.run(), name="bus-listener")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_s):
                await self._listener.subscribed.wait()

    async def tell(self, nodes: Sequence[str], message: AnyBusMessage) -> None:
        channels = [self._channel(node) for node in dict.fromkeys(nodes)]
        if channels:
            await self._publisher.publish(channels, encode_message(message))

    async def tell_all(self, message: AnyBusMessage) -> None:
        await self._publisher.publish([self._channel_of_all()], encode_message(message))

    async def shut(self) -> None:
        if self._listening is not None and self._listener is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            await self._listener.shut()
        await self._publisher.shut()
        await self._client.shut()
