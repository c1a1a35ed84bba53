"""Telling other nodes which of their devices' queues grew: coalesced, bounded, off the sender's path."""

from collections.abc import Callable, Iterable
from typing import Final

from backplane.bus.ports import Bus, Wake
from backplane.registry.ports import PresenceRegistry
from backplane.telemetry.metrics import Metrics
from ringline.protocol.types import Address

PENDING_ADDRESSES_MAX: Final = 20_000
BATCH_ADDRESSES_MAX: Final = 512


class RemoteWakes:
    """`wake`: there is something to relay."""

    def __init__(
        self,
        node: str,
        presence: PresenceRegistry,
        bus: Bus,
        metrics: Metrics,
        wake: Callable[[], None],
    ) -> None:
        self._node = node
        self._presence = presence
        self._bus = bus
        self._metrics = metrics
        self._wake = wake
        self._pending: dict[Address, None] = {}

    @property
    def pending(self) -> bool:
        return bool(self._pending)

    def add(self, addresses: Iterable[Address]) -> None:
        """Beyond the bound they are dropped and counted: the other node's slow poll finds them."""
        for address in addresses:
            if len(self._pending) >= PENDING_ADDRESSES_MAX:
                self._metrics.bus_dropped.labels(reason="wakes-full").inc()
                return
            self._pending[address] = None
        if self._pending:
            self._wake()

    async def step(self) -> None:
        """One batch: find the nodes and wake each once. Raises Unavailable; the batch is lost then."""
        batch = list(self._pending)[:BATCH_ADDRESSES_MAX]
        for address in batch:
            del self._pending[address]
        by_node: dict[str, list[Address]] = {}
        for address, location in zip(batch, await self._presence.locate(batch), strict=True):
            if location is not None and location.node != self._node:
                by_node.setdefault(location.node, []).append(address)
        for node, addresses in by_node.items():
            await self._bus.tell([node], Wake(addresses=addresses))
