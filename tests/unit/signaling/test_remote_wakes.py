import asyncio
from uuid import UUID

import pytest

from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus
from backplane.bus.ports import AnyBusMessage, Wake
from backplane.errors import Unavailable
from backplane.registry.open import memory_registry
from backplane.telemetry.metrics import Metrics
from ringline.protocol.types import Address
from signaling import remote_wakes
from signaling.remote_wakes import RemoteWakes

HERE, THERE, NOWHERE = (Address(UUID(int=n), 1) for n in (1, 2, 3))


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def heard(hub: MemoryHub) -> list[AnyBusMessage]:
    messages: list[AnyBusMessage] = []
    bus = memory_bus(hub)
    await bus.start("there", messages.append, lambda: None)
    return messages


@pytest.fixture
async def wakes(hub: MemoryHub, metrics: Metrics) -> RemoteWakes:
    registry = memory_registry(lambda: 0)
    await registry.presence.acquire(HERE, "here", "s1")
    await registry.presence.acquire(THERE, "there", "s2")
    return RemoteWakes("here", registry.presence, memory_bus(hub), metrics, lambda: None)


async def test_only_the_node_that_holds_the_device_is_told(
    wakes: RemoteWakes, heard: list[AnyBusMessage]
) -> None:
    wakes.add([HERE, THERE, NOWHERE, THERE])
    await wakes.step()
    assert not wakes.pending
    await wakes.step()
    await asyncio.sleep(0)
    assert heard == [Wake(addresses=[THERE])]


async def test_without_the_bus_the_wake_is_lost_and_nothing_else(
    wakes: RemoteWakes, hub: MemoryHub
) -> None:
    hub.cut()
    wakes.add([THERE])
    with pytest.raises(Unavailable):
        await wakes.step()
    assert not wakes.pending


async def test_what_waits_is_bounded_and_counted(
    wakes: RemoteWakes, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_wakes, "PENDING_ADDRESSES_MAX", 2)
    wakes.add([HERE, THERE, NOWHERE])
    value = metrics.registry.get_sample_value(
        "ringline_bus_dropped_total", {"reason": "wakes-full"}
    )
    assert value == 1
