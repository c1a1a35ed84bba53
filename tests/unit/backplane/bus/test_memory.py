"""The hub's weather; what a bus does otherwise is in the contract."""

import asyncio
from uuid import uuid4

import pytest

from backplane.bus import memory
from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus
from backplane.bus.ports import AnyBusMessage, Displaced
from backplane.errors import Unavailable
from ringline.protocol.types import Address

MESSAGE = Displaced(address=Address(uuid4(), 1), fence=1)


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class Node:
    def __init__(self, hub: MemoryHub) -> None:
        self.bus = memory_bus(hub)
        self.heard: list[AnyBusMessage] = []
        self.gaps = 0

    async def start(self, node: str) -> None:
        await self.bus.start(node, self.heard.append, self.gap)
        await turns()

    def gap(self) -> None:
        self.gaps += 1


async def test_callbacks_run_in_a_later_turn() -> None:
    node = Node(MemoryHub())
    await node.start("a")
    await node.bus.tell(["a"], MESSAGE)
    assert node.heard == []
    await turns()
    assert node.heard == [MESSAGE]


async def test_a_cut_refuses_loses_and_ends_in_a_gap() -> None:
    hub = MemoryHub()
    node = Node(hub)
    await node.start("a")
    assert node.gaps == 1
    await node.bus.tell(["a"], MESSAGE)
    hub.cut()  # with the message on its way
    with pytest.raises(Unavailable):
        await node.bus.tell_all(MESSAGE)
    await turns()
    assert (node.heard, node.gaps) == ([], 1)
    hub.mend()
    assert node.gaps == 2
    await node.bus.tell(["a"], MESSAGE)
    await turns()
    assert node.heard == [MESSAGE]


async def test_a_node_that_starts_in_a_cut_hears_of_the_gap_later() -> None:
    hub = MemoryHub()
    hub.cut()
    node = Node(hub)
    await node.start("a")
    assert node.gaps == 0
    hub.mend()
    assert node.gaps == 1


async def test_what_is_under_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "IN_FLIGHT_MESSAGES_MAX", 2)
    node = Node(MemoryHub())
    await node.start("a")
    await node.bus.tell(["a"], MESSAGE)
    await node.bus.tell(["a"], MESSAGE)
    with pytest.raises(Unavailable):
        await node.bus.tell(["a"], MESSAGE)
    await turns()
    await node.bus.tell(["a"], MESSAGE)
    await turns()
    assert len(node.heard) == 3


async def test_buses_without_a_hub_are_alone() -> None:
    first, second = memory_bus(), memory_bus()
    heard: list[AnyBusMessage] = []
    await second.start("b", heard.append, lambda: None)
    await first.tell(["b"], MESSAGE)
    await turns()
    assert heard == []
