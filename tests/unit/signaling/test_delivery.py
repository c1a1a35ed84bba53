from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backplane.errors import Unavailable
from backplane.storage.device_queues import Append, QueueDevice
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.telemetry.metrics import Metrics
from ringline.protocol import frames, limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address
from signaling.connections import Connections
from signaling.delivery import FETCH_REQUESTS_MAX, Delivery
from signaling.session import Settle

ADDRESS = Address(UUID(int=1), 1)
Connect = Callable[[Address], Any]
Fill = Callable[..., Any]


class Counted(MemoryDeviceQueues):
    """Counts fetches; fails the first `failures` of them."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: list[int] = []
        self.failures = 0

    async def fetch(self, requests: Any, now: int) -> Any:
        self.fetches.append(len(requests))
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        return await super().fetch(requests, now)


@pytest.fixture
def queues() -> Counted:
    return Counted()


@pytest.fixture
def delivery(connections: Connections, queues: Counted, metrics: Metrics) -> Delivery:
    return Delivery(connections, queues, metrics, lambda: 0, lambda: None)


async def drain(delivery: Delivery) -> None:
    for _ in range(1000):
        if not delivery.pending:
            return
        await delivery.step()
    raise AssertionError("it never ends")


def acknowledge(connection: Any, positions: list[int]) -> None:
    (settle,) = connection.session.accept(frames.Acknowledge(positions=positions))
    assert isinstance(settle, Settle)
    connection.session.settled(settle)


async def test_what_waits_comes_in_order_and_then_caught_up(
    delivery: Delivery, connect: Connect, fill: Fill
) -> None:
    await fill(ADDRESS, 3)
    connection = connect(ADDRESS)
    assert delivery.mark([ADDRESS]) == []
    await drain(delivery)
    assert connection.delivered() == [1, 2, 3]
    assert isinstance(connection.frames[-1], frames.CaughtUp)


async def test_a_mark_for_a_stranger_is_handed_back(delivery: Delivery) -> None:
    assert delivery.mark([ADDRESS]) == [ADDRESS]
    assert not delivery.pending


async def test_a_full_window_waits_for_acknowledgements(
    delivery: Delivery, connect: Connect, fill: Fill
) -> None:
    size = limits.DELIVERY_WINDOW_ENTRIES_MAX
    await fill(ADDRESS, size + 10)
    connection = connect(ADDRESS)
    delivery.mark([ADDRESS])
    await drain(delivery)
    assert connection.delivered() == list(range(1, size + 1))
    acknowledge(connection, [1])
    delivery.mark_hungry(connection)
    assert not delivery.pending, "one free place is not worth a fetch"
    acknowledge(connection, list(range(2, size // 2 + 1)))
    delivery.mark_hungry(connection)
    await drain(delivery)
    assert connection.delivered() == list(range(1, size + 11))


async def test_large_bodies_fill_the_window_by_bytes(
    delivery: Delivery, connect: Connect, fill: Fill
) -> None:
    await fill(ADDRESS, 10, b"x" * limits.BODY_BYTES_MAX)
    connection = connect(ADDRESS)
    delivery.mark([ADDRESS])
    await drain(delivery)
    assert connection.delivered() == [1, 2, 3]
    acknowledge(connection, [1, 2, 3])
    delivery.mark_hungry(connection)
    await drain(delivery)
    assert connection.delivered() == list(range(1, 7))


async def test_one_fetch_serves_many_and_is_bounded(
    delivery: Delivery, queues: Counted, connect: Connect, fill: Fill
) -> None:
    addresses = [Address(UUID(int=n), 1) for n in range(1, FETCH_REQUESTS_MAX + 4)]
    connections = []
    for address in addresses:
        await fill(address, 1)
        connections.append(connect(address))
    delivery.mark(addresses)
    await drain(delivery)
    assert queues.fetches == [FETCH_REQUESTS_MAX, 3]
    assert all(connection.delivered() == [1] for connection in connections)


async def test_a_live_entry_costs_one_fetch(
    delivery: Delivery, queues: Counted, connect: Connect, fill: Fill
) -> None:
    await fill(ADDRESS, 0)
    connection = connect(ADDRESS)
    delivery.mark([ADDRESS])
    await drain(delivery)
    queues.fetches.clear()
    await fill(ADDRESS, 1)
    delivery.mark([ADDRESS])
    await drain(delivery)
    assert connection.delivered() == [1]
    assert len(queues.fetches) == 1


async def test_a_failed_fetch_is_made_good(
    delivery: Delivery, queues: Counted, connect: Connect, fill: Fill
) -> None:
    await fill(ADDRESS, 2)
    connection = connect(ADDRESS)
    queues.failures = 1
    delivery.mark([ADDRESS])
    with pytest.raises(Unavailable):
        await delivery.step()
    assert delivery.pending
    await drain(delivery)
    assert connection.delivered() == [1, 2]


async def test_an_entry_that_cannot_be_read_ends_that_connection_alone(
    delivery: Delivery, queues: Counted, connect: Connect, fill: Fill
) -> None:
    other = Address(UUID(int=2), 1)
    await fill(other, 1)
    await queues.open(ADDRESS.account, QueueDevice(1, 7), 0)
    await queues.change([], [Append(ADDRESS.account, b"\xc1", 10**12, 1)])
    broken, well = connect(ADDRESS), connect(other)
    delivery.mark([ADDRESS, other])
    await drain(delivery)
    assert broken.codes == [CloseCode.INTERNAL_ERROR]
    assert well.delivered() == [1]


async def test_polling_reaches_everyone_in_as_many_steps(
    delivery: Delivery, connect: Connect, fill: Fill
) -> None:
    everyone = []
    for number in range(1, 8):
        address = Address(UUID(int=number), 1)
        await fill(address, 1)
        everyone.append(connect(address))
    for _ in range(3):
        delivery.poll(3)
        await drain(delivery)
    assert all(connection.delivered() == [1] for connection in everyone)


async def test_a_closed_connection_is_passed_over(
    delivery: Delivery, queues: Counted, connect: Connect, fill: Fill
) -> None:
    await fill(ADDRESS, 1)
    connection = connect(ADDRESS)
    delivery.mark_all()
    connection.close(CloseCode.GOING_AWAY)
    await drain(delivery)
    assert queues.fetches == []
    delivery.forget(connection)
    assert connection.delivered() == []
