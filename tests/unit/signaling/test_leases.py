from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus
from backplane.bus.ports import AnyBusMessage, Displaced, PresenceChanged
from backplane.errors import Unavailable
from backplane.registry.memory import MemoryRegistry
from backplane.telemetry.metrics import Metrics
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address, PresenceState
from signaling.connections import Connections
from signaling.leases import Leases

ADDRESS = Address(UUID(int=1), 1)
Connect = Callable[[Address], Any]


class Told:
    """A bus that keeps what it was told."""

    def __init__(self) -> None:
        self.messages: list[tuple[object, AnyBusMessage]] = []

    async def start(self, *_: object) -> None: ...

    async def tell(self, nodes: Any, message: AnyBusMessage) -> None:
        self.messages.append((tuple(nodes), message))

    async def tell_all(self, message: AnyBusMessage) -> None:
        self.messages.append(("all", message))

    async def shut(self) -> None: ...


@pytest.fixture
def now() -> list[int]:
    return [1_000]


@pytest.fixture
def registry(now: list[int]) -> MemoryRegistry:
    return MemoryRegistry(lambda: now[0], 300)


@pytest.fixture
def bus() -> Told:
    return Told()


@pytest.fixture
def leases(
    registry: MemoryRegistry, bus: Told, connections: Connections, metrics: Metrics
) -> Leases:
    return Leases(
        node="here",
        presence=registry.presence,
        bus=bus,
        connections=connections,
        metrics=metrics,
        clock=lambda: 5_000,
    )


def held(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("ringline_leases_held")


async def test_coming_and_going_is_announced(
    leases: Leases, bus: Told, connect: Connect, metrics: Metrics
) -> None:
    connection = connect(ADDRESS)
    await leases.acquire(connection)
    assert held(metrics) == 1
    await leases.release(connection.session.id, ADDRESS)
    assert held(metrics) == 0
    account = ADDRESS.account
    assert bus.messages == [
        ("all", PresenceChanged(account=account, state=PresenceState.ONLINE, last_seen=None)),
        ("all", PresenceChanged(account=account, state=PresenceState.OFFLINE, last_seen=5_000)),
    ]


async def test_while_another_device_stays_nobody_is_told_of_the_leaving(
    leases: Leases, bus: Told, connect: Connect
) -> None:
    phone, tablet = connect(ADDRESS), connect(Address(ADDRESS.account, 2))
    await leases.acquire(phone)
    await leases.acquire(tablet)
    bus.messages.clear()
    await leases.release(phone.session.id, ADDRESS)
    assert bus.messages == []


async def test_the_node_that_held_the_device_is_told(
    leases: Leases, bus: Told, registry: MemoryRegistry, connect: Connect
) -> None:
    await registry.presence.acquire(ADDRESS, "there", "old")
    await leases.acquire(connect(ADDRESS))
    ((nodes, message),) = bus.messages
    assert nodes == ("there",)
    assert isinstance(message, Displaced)


async def test_only_a_newer_fence_displaces(leases: Leases, connect: Connect) -> None:
    connection = connect(ADDRESS)
    await leases.acquire(connection)
    leases.displaced(Displaced(address=ADDRESS, fence=0))
    leases.displaced(Displaced(address=Address(UUID(int=9), 1), fence=2**62))
    assert connection.codes == []
    leases.displaced(Displaced(address=ADDRESS, fence=2**62))
    assert connection.codes == [CloseCode.REPLACED]


async def test_a_lease_that_somebody_newer_holds_closes_the_connection(
    leases: Leases, registry: MemoryRegistry, connect: Connect
) -> None:
    connection = connect(ADDRESS)
    await leases.acquire(connection)
    await registry.presence.acquire(ADDRESS, "there", "new")
    await leases.renew()
    assert connection.codes == [CloseCode.REPLACED]


async def test_renewing_keeps_a_lease_beyond_its_life(
    leases: Leases, registry: MemoryRegistry, connect: Connect, now: list[int]
) -> None:
    connection = connect(ADDRESS)
    await leases.acquire(connection)
    for _ in range(4):
        now[0] += 200_000
        await leases.renew()
    assert (await registry.presence.presence([ADDRESS.account]))[0].online
    assert connection.codes == []


async def test_an_outage_closes_nobody_and_is_made_good(
    leases: Leases,
    registry: MemoryRegistry,
    connect: Connect,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("redis")

    connection = connect(ADDRESS)
    with monkeypatch.context() as outage:
        outage.setattr(registry.presence, "acquire", away)
        await leases.acquire(connection)
    assert held(metrics) in {0, None}
    await leases.renew()
    assert held(metrics) == 1
    assert connection.codes == []


async def test_after_an_outage_a_lease_of_somebody_else_is_not_taken(
    leases: Leases, registry: MemoryRegistry, connect: Connect
) -> None:
    connection = connect(ADDRESS)
    await registry.presence.acquire(ADDRESS, "there", "other")
    await leases.renew()
    assert connection.codes == [CloseCode.TRY_AGAIN_LATER]
    (place,) = await registry.presence.locate([ADDRESS])
    assert place is not None
    assert place.node == "there"


async def test_who_left_while_the_lease_was_fetched_keeps_none(
    leases: Leases, registry: MemoryRegistry, connect: Connect, connections: Connections
) -> None:
    connection = connect(ADDRESS)
    connections.remove(connection)
    await leases.acquire(connection)
    assert await registry.presence.locate([ADDRESS]) == [None]


async def test_without_the_bus_the_lease_is_still_held(
    registry: MemoryRegistry, connections: Connections, metrics: Metrics, connect: Connect
) -> None:
    hub = MemoryHub()
    hub.cut()
    leases = Leases(
        node="here",
        presence=registry.presence,
        bus=memory_bus(hub),
        connections=connections,
        metrics=metrics,
        clock=lambda: 0,
    )
    await leases.acquire(connect(ADDRESS))
    assert held(metrics) == 1
