"""Both buses, as several nodes on one Redis or one hub."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus, open_bus
from backplane.bus.ports import AnyBusMessage, Bus
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics

PATIENCE_S = 10.0


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.005)


class Station:
    """A node on the bus and what it heard."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self.bus = bus
        self.metrics = metrics
        self.heard: list[AnyBusMessage] = []
        self.gaps = 0

    async def start(self, node: str) -> None:
        await self.bus.start(node, self.heard.append, self.gap)

    def gap(self) -> None:
        self.gaps += 1

    async def hears(self, count: int) -> list[AnyBusMessage]:
        await until(lambda: len(self.heard) >= count)
        return self.heard

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"ringline_{name}_total", labels) or 0.0


MakeStation = Callable[[], Station]


@pytest.fixture(params=["memory", "redis"])
async def make_station(request: pytest.FixtureRequest) -> AsyncIterator[MakeStation]:
    made: list[Station] = []
    hub = MemoryHub()

    def make() -> Station:
        metrics = Metrics()
        if request.param == "memory":
            bus = memory_bus(hub, metrics)
        else:
            bus = open_bus(RegistrySettings(url=request.getfixturevalue("redis_url")), metrics)
        made.append(Station(bus, metrics))
        return made[-1]

    yield make
    for station in made:
        await station.bus.shut()
