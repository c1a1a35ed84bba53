from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backplane.bus.ports import PresenceChanged, Revoked, TypingRelayed, Wake
from backplane.registry.memory import MemoryRegistry
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.storage.records_memory import MemoryRecords
from backplane.telemetry.metrics import Metrics
from messaging.contact import Contacts
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address, PresenceState, TypingState
from signaling.bus_messages import BusMessages, Chore
from signaling.connections import Connections
from signaling.delivery import Delivery
from signaling.leases import Leases
from signaling.live import TypingRelay
from signaling.watchers import Watchers

PHONE, TABLET = Address(UUID(int=1), 1), Address(UUID(int=1), 2)
Connect = Callable[[Address], Any]


@pytest.fixture
def chores() -> list[tuple[str, Chore]]:
    return []


@pytest.fixture
def delivery(connections: Connections, queues: MemoryDeviceQueues, metrics: Metrics) -> Delivery:
    return Delivery(connections, queues, metrics, lambda: 0, lambda: None)


@pytest.fixture
def listener(
    connections: Connections,
    queues: MemoryDeviceQueues,
    metrics: Metrics,
    delivery: Delivery,
    chores: list[tuple[str, Chore]],
) -> BusMessages:
    presence: Any = MemoryRegistry(lambda: 0, 300).presence
    bus: Any = None
    contacts = Contacts(records=MemoryRecords(), queues=queues, clock=lambda: 0)
    return BusMessages(
        connections=connections,
        delivery=delivery,
        leases=Leases(
            node="here",
            presence=presence,
            bus=bus,
            connections=connections,
            metrics=metrics,
            clock=lambda: 0,
        ),
        watchers=Watchers(contacts, presence),
        typing=TypingRelay("here", connections, queues, presence, bus),
        queues=queues,
        background=lambda name, chore: chores.append((name, chore)),
    )


async def test_a_wake_marks_whom_it_names(
    listener: BusMessages, delivery: Delivery, connect: Connect, fill: Callable[..., Any]
) -> None:
    await fill(PHONE, 1)
    connection = connect(PHONE)
    listener.received(Wake(addresses=[TABLET]))
    assert not delivery.pending
    listener.received(Wake(addresses=[PHONE]))
    await delivery.step()
    assert connection.delivered() == [1]


@pytest.mark.parametrize(
    ("replaced", "code"),
    [(True, CloseCode.ACCOUNT_REPLACED), (False, CloseCode.DEVICE_REVOKED)],
)
def test_a_revocation_closes_with_its_code(
    listener: BusMessages, connect: Connect, replaced: bool, code: CloseCode
) -> None:
    phone, tablet = connect(PHONE), connect(TABLET)
    listener.received(Revoked(addresses=[TABLET], replaced=replaced))
    assert tablet.codes == [code]
    assert phone.codes == []


def test_typing_is_shown_to_the_recipients_devices(listener: BusMessages, connect: Connect) -> None:
    phone, other = connect(PHONE), connect(Address(UUID(int=2), 1))
    sender = Address(UUID(int=3), 1)
    listener.received(
        TypingRelayed(
            recipient=PHONE.account,
            sender=sender,
            conversation=sender.account,
            state=TypingState.STOPPED,
        )
    )
    (notice,) = phone.frames
    assert isinstance(notice, frames.TypingNotice)
    assert notice.sender == sender
    assert other.frames == []


def test_presence_that_nobody_watches_costs_nothing(
    listener: BusMessages, chores: list[tuple[str, Chore]]
) -> None:
    listener.received(
        PresenceChanged(account=PHONE.account, state=PresenceState.ONLINE, last_seen=None)
    )
    assert chores == []


async def test_after_a_gap_a_revocation_that_was_missed_is_found(
    listener: BusMessages,
    queues: MemoryDeviceQueues,
    connect: Connect,
    fill: Callable[..., Any],
    chores: list[tuple[str, Chore]],
) -> None:
    await fill(PHONE, 0)
    await fill(TABLET, 0)
    phone, tablet = connect(PHONE), connect(TABLET)
    await queues.close(TABLET)
    listener.missed()
    for _, chore in chores:
        await chore()
    assert tablet.codes == [CloseCode.DEVICE_REVOKED]
    assert phone.codes == []
