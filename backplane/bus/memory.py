"""The bus in memory: nodes of one process on a hub that they share.

Messages go through the same bytes as in Redis, and arrive in a later turn of the event loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from backplane.bus.codec import encode_message
from backplane.bus.ports import AnyBusMessage
from backplane.bus.receiver import Receiver
from backplane.errors import Unavailable
from backplane.telemetry.metrics import Metrics

IN_FLIGHT_MESSAGES_MAX: Final = 10_000


class MemoryHub:
    """Stands for the Redis that the nodes share. `cut` makes it unreachable, `mend` brings it back."""

    def __init__(self) -> None:
        self.receivers: dict[str, Receiver] = {}
        self._cut = False
        self._in_flight = 0

    def join(self, node: str, receiver: Receiver) -> None:
        self.receivers[node] = receiver
        if not self._cut:
            asyncio.get_running_loop().call_soon(receiver.gap)

    def leave(self, node: str) -> None:
        self.receivers.pop(node, None)

    def cut(self) -> None:
        self._cut = True

    def mend(self) -> None:
        self._cut = False
        for receiver in self.receivers.values():
            receiver.gap()

    def post(self, nodes: Sequence[str], payload: bytes) -> None:
        if self._cut or self._in_flight + len(nodes) > IN_FLIGHT_MESSAGES_MAX:
            raise Unavailable("the bus takes no message now")
        for node in nodes:
            self._in_flight += 1
            asyncio.get_running_loop().call_soon(self._arrive, node, payload)

    def _arrive(self, node: str, payload: bytes) -> None:
        self._in_flight -= 1
        receiver = self.receivers.get(node)
        if receiver is not None and not self._cut:
            receiver.message(payload)


class MemoryBus:
    def __init__(self, hub: MemoryHub, metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics
        self._node: str | None = None

    async def start(
        self, node: str, on_message: Callable[[AnyBusMessage], None], on_gap: Callable[[], None]
    ) -> None:
        self._node = node
        self._hub.join(node, Receiver(on_message, on_gap, self._metrics))

    async def tell(self, nodes: Sequence[str], message: AnyBusMessage) -> None:
        self._hub.post(list(dict.fromkeys(nodes)), encode_message(message))
        self._metrics.bus_messages.labels(direction="out").inc()

    async def tell_all(self, message: AnyBusMessage) -> None:
        await self.tell(list(self._hub.receivers), message)

    async def shut(self) -> None:
        if self._node is not None:
            self._hub.leave(self._node)
