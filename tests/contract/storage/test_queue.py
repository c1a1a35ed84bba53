"""Life of a queue on every adapter: open, replace, close, head, fetch, retention, sweep."""

from uuid import uuid4

from backplane.storage.device_queues import (
    Append,
    DeviceQueues,
    FetchRequest,
    QueueDevice,
    QueueEntry,
    QueueHead,
    Removal,
    SendCommitted,
    SenderGone,
    SequenceBroken,
)
from ringline.protocol.types import Address
from tests.contract.storage.conftest import (
    NOW,
    REGISTRATION_ID,
    RETENTION,
    committed,
    fetch,
    open_account,
    operation,
    payloads,
    positions,
)

LATER = NOW + RETENTION


async def test_devices_are_told_by_number(queues: DeviceQueues) -> None:
    account = uuid4()
    assert await queues.devices(account) == ()
    for device in (5, 1, 127):
        await queues.open(account, QueueDevice(device, device * 2), NOW)
    assert await queues.devices(account) == (
        QueueDevice(1, 2),
        QueueDevice(5, 10),
        QueueDevice(127, 254),
    )


async def test_opening_the_same_device_again_changes_nothing(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    await queues.change([], [Append(account, b"x", LATER)])
    await queues.open(account, QueueDevice(1, REGISTRATION_ID), NOW + 5)
    assert await queues.head(Address(account, 1)) == QueueHead(REGISTRATION_ID, 1, 1)


async def test_another_registration_id_is_a_new_empty_queue(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    sender, other = Address(account, 1), await open_account(queues, 1)
    committed(await queues.send(operation(sender, other, 1, payloads(other, 1))))
    await queues.change([], [Append(account, b"x", LATER, key=b"k")])
    await queues.open(account, QueueDevice(1, 9), NOW)
    assert await queues.head(sender) == QueueHead(9, 0, 0)
    assert await queues.next_sequence(sender, other) == 1
    assert await queues.change([], [Append(account, b"x", LATER, key=b"k")]) == (sender,)


async def test_replace_closes_all_and_opens_one(queues: DeviceQueues) -> None:
    account = await open_account(queues, 3)
    await queues.change([], [Append(account, b"x", LATER)])
    await queues.replace(account, QueueDevice(4, 1), NOW)
    assert await queues.devices(account) == (QueueDevice(4, 1),)
    assert await queues.head(Address(account, 2)) is None
    assert await queues.head(Address(account, 4)) == QueueHead(1, 0, 0)
    await queues.replace(account, QueueDevice(4, 1), NOW)
    assert await queues.devices(account) == (QueueDevice(4, 1),)


async def test_replace_with_the_same_device_empties_it(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    await queues.change([], [Append(account, b"x", LATER)])
    await queues.replace(account, QueueDevice(1, REGISTRATION_ID), NOW)
    assert await queues.head(Address(account, 1)) == QueueHead(REGISTRATION_ID, 0, 0)


async def test_a_closed_queue_forgets_all(queues: DeviceQueues) -> None:
    account = await open_account(queues, 2)
    other = await open_account(queues, 1)
    address = Address(account, 2)
    await queues.change([], [Append(account, b"x", LATER)])
    first = operation(Address(other, 1), account, 1, payloads(account, 2), payloads(other, 0))
    committed(await queues.send(first))
    await queues.close(address)
    await queues.close(address)
    await queues.close(Address(uuid4(), 1))
    assert await queues.head(address) is None
    assert await positions(queues, address) == []
    assert await queues.devices(account) == (QueueDevice(1, REGISTRATION_ID),)
    await queues.close(Address(other, 1))
    assert await queues.send(first) == SenderGone()
    await queues.open(other, QueueDevice(1, REGISTRATION_ID), NOW)
    # A new device: nothing is remembered, so the same id is a new message to a list that differs.
    assert await queues.next_sequence(Address(other, 1), account) == 1
    again = operation(Address(other, 1), account, 1, payloads(account, 1), message=first.message)
    assert not committed(await queues.send(again)).repeated


async def test_head_counts_what_waits(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    address = Address(account, 1)
    assert await queues.head(address) == QueueHead(REGISTRATION_ID, 0, 0)
    assert await queues.head(Address(account, 2)) is None
    await queues.change([], [Append(account, b"x", LATER)] * 5)
    await queues.change([Removal(address, (5, 1))], [])
    assert await queues.head(address) == QueueHead(REGISTRATION_ID, 5, 3)


async def test_fetch_answers_each_request_in_its_place(queues: DeviceQueues) -> None:
    one, two = await open_account(queues, 1), await open_account(queues, 2)
    await queues.change([], [Append(one, b"%d" % n, LATER) for n in range(1, 6)])
    await queues.change([], [Append(two, b"two", LATER, device=2)])
    answers = await queues.fetch(
        [
            FetchRequest(Address(one, 1), 3, 10),
            FetchRequest(Address(two, 1), 0, 10),
            FetchRequest(Address(uuid4(), 1), 0, 10),
            FetchRequest(Address(two, 2), 0, 10),
            FetchRequest(Address(one, 1), 0, 2),
            FetchRequest(Address(one, 1), 0, 0),
        ],
        NOW,
    )
    assert answers == (
        (QueueEntry(4, b"4"), QueueEntry(5, b"5")),
        (),
        (),
        (QueueEntry(1, b"two"),),
        (QueueEntry(1, b"1"), QueueEntry(2, b"2")),
        (),
    )
    assert await queues.fetch([], NOW) == ()


async def test_fetch_stops_at_a_mebibyte_but_gives_one(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    address = Address(account, 1)
    half = b"h" * (512 * 1024)
    await queues.change([], [Append(account, half, LATER)] * 3)
    await queues.change([], [Append(account, b"h" * (2**20 + 1), LATER)])
    assert [e.position for e in await fetch(queues, address)] == [1, 2]
    assert [e.position for e in await fetch(queues, address, after=2)] == [3]
    assert [e.position for e in await fetch(queues, address, after=3)] == [4]


async def test_expired_entries_are_not_fetched(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    address = Address(account, 1)
    await queues.change(
        [],
        [Append(account, b"short", NOW + 10), Append(account, b"long", NOW + 1000)],
    )
    assert await positions(queues, address, NOW + 9) == [1, 2]
    assert await positions(queues, address, NOW + 10) == [2]
    assert [e.position for e in await fetch(queues, address, limit=1, now=NOW + 10)] == [2]
    assert await positions(queues, address, NOW + 1000) == []


async def test_sweep_deletes_what_expired_the_earliest_first(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    address = Address(account, 1)
    expiries = (NOW + 30, NOW + 10, NOW + 20, NOW + 40)
    await queues.change([], [Append(account, b"x", at) for at in expiries])
    assert await queues.sweep(NOW + 9, 10) == 0
    assert await queues.sweep(NOW + 30, 2) == 2
    assert await positions(queues, address) == [1, 4]
    assert await queues.sweep(NOW + 30, 10) == 1
    assert await queues.sweep(NOW + 30, 10) == 0
    assert await positions(queues, address) == [4]


async def test_a_send_is_remembered_as_long_as_its_entries(queues: DeviceQueues) -> None:
    sender, other = Address(await open_account(queues, 1), 1), await open_account(queues, 1)
    first = operation(sender, other, 1, payloads(other, 1))
    committed(await queues.send(first))
    assert await queues.sweep(LATER - 1, 10) == 0
    assert await queues.send(first) == SendCommitted(NOW, True, ())
    assert await queues.sweep(LATER, 1) == 1
    assert await positions(queues, Address(other, 1)) == []
    assert await queues.send(first) == SendCommitted(NOW, True, ())
    assert await queues.sweep(LATER, 10) == 1
    # Forgotten, but the sequence keeps it from being a second message.
    assert await queues.send(first) == SequenceBroken(2)


async def test_sweeping_frees_the_keys(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    keyed = Append(account, b"x", NOW + 10, key=b"k")
    await queues.change([], [keyed])
    assert await queues.change([], [keyed]) == ()
    await queues.sweep(NOW + 10, 10)
    assert await queues.change([], [keyed]) == (Address(account, 1),)
    assert await positions(queues, Address(account, 1)) == [2]


async def test_probe_answers(queues: DeviceQueues) -> None:
    await queues.probe()
    await queues.probe()
