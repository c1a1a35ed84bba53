from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backplane.bus.ports import PresenceChanged
from backplane.registry.memory import MemoryRegistry
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.storage.records_memory import MemoryRecords
from messaging.contact import Contacts
from messaging.errors import Refused
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address, ContactState, PresenceState
from signaling.watchers import Watchers

WATCHER = Address(UUID(int=1), 1)
FRIEND, STRANGER = UUID(int=2), UUID(int=3)
Connect = Callable[[Address], Any]


@pytest.fixture
async def records() -> MemoryRecords:
    records = MemoryRecords()
    await records.raise_contact(FRIEND, WATCHER.account, ContactState.ACCEPTED, 0)
    await records.raise_contact(STRANGER, WATCHER.account, ContactState.REQUESTED, 0)
    return records


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry(lambda: 0, 300)


@pytest.fixture
def watchers(
    records: MemoryRecords, registry: MemoryRegistry, queues: MemoryDeviceQueues
) -> Watchers:
    contacts = Contacts(records=records, queues=queues, clock=lambda: 0)
    return Watchers(contacts, registry.presence)


def changed(account: UUID, state: PresenceState = PresenceState.ONLINE) -> PresenceChanged:
    return PresenceChanged(account=account, state=state, last_seen=None)


async def test_the_present_state_comes_first(
    watchers: Watchers, registry: MemoryRegistry, connect: Connect
) -> None:
    await registry.presence.acquire(Address(FRIEND, 1), "there", "s")
    connection = connect(WATCHER)
    await watchers.watch(connection, [FRIEND, WATCHER.account, FRIEND])
    assert connection.frames == [
        frames.Presence(account=FRIEND, state=PresenceState.ONLINE, last_seen=None),
        frames.Presence(account=WATCHER.account, state=PresenceState.OFFLINE, last_seen=None),
    ]


async def test_a_stranger_in_the_set_refuses_it_whole(watchers: Watchers, connect: Connect) -> None:
    connection = connect(WATCHER)
    await watchers.watch(connection, [FRIEND])
    with pytest.raises(Refused) as refused:
        await watchers.watch(connection, [STRANGER, UUID(int=77)])
    assert str(STRANGER) in (refused.value.problem.detail or "")
    assert watchers.watched(FRIEND), "the old set stays"
    assert not watchers.watched(STRANGER)


async def test_a_new_set_replaces_the_old(watchers: Watchers, connect: Connect) -> None:
    connection = connect(WATCHER)
    await watchers.watch(connection, [FRIEND])
    await watchers.watch(connection, [])
    assert not watchers.watched(FRIEND)
    await watchers.changed(changed(FRIEND))
    assert len(connection.frames) == 1


async def test_who_is_no_contact_any_more_is_not_told(
    watchers: Watchers, records: MemoryRecords, connect: Connect
) -> None:
    connection = connect(WATCHER)
    await watchers.watch(connection, [FRIEND])
    await watchers.changed(changed(FRIEND))
    assert len(connection.frames) == 2
    await records.remove_contact(FRIEND, WATCHER.account)
    await watchers.changed(changed(FRIEND, PresenceState.OFFLINE))
    assert len(connection.frames) == 2


async def test_nothing_is_kept_of_a_connection_that_left(
    watchers: Watchers, connect: Connect
) -> None:
    connection = connect(WATCHER)
    await watchers.watch(connection, [FRIEND])
    watchers.forget(connection)
    assert len(watchers) == 0
    assert not watchers.watched(FRIEND)
    connection.close(CloseCode.GOING_AWAY)
    await watchers.watch(connection, [FRIEND])
    assert len(watchers) == 0, "a watch that was under way when it left adds nothing"
