"""DeviceQueues.change on every adapter: acknowledgements, appends, keys."""

import asyncio
from uuid import uuid4

from backplane.storage.device_queues import Append, DeviceQueues, QueueEntry, Removal
from ringline.protocol.types import Address
from tests.contract.storage.conftest import (
    NOW,
    RETENTION,
    committed,
    fetch,
    open_account,
    operation,
    payloads,
    positions,
)

LATER = NOW + RETENTION


async def test_an_append_reaches_one_device_or_all_but_one(queues: DeviceQueues) -> None:
    account = await open_account(queues, 3)
    woken = await queues.change([], [Append(account, b"one", LATER, device=2)])
    assert woken == (Address(account, 2),)
    woken = await queues.change([], [Append(account, b"all", LATER)])
    assert woken == tuple(Address(account, d) for d in (1, 2, 3))
    woken = await queues.change([], [Append(account, b"others", LATER, except_device=1)])
    assert woken == (Address(account, 2), Address(account, 3))
    assert await fetch(queues, Address(account, 1)) == (QueueEntry(1, b"all"),)
    assert await fetch(queues, Address(account, 2)) == (
        QueueEntry(1, b"one"),
        QueueEntry(2, b"all"),
        QueueEntry(3, b"others"),
    )


async def test_each_woken_device_is_named_once(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    appends = [Append(account, b"%d" % n, LATER) for n in range(3)]
    assert await queues.change([], appends) == (Address(account, 1),)
    assert [entry.payload for entry in await fetch(queues, Address(account, 1))] == [
        b"0",
        b"1",
        b"2",
    ]


async def test_an_append_for_nobody_is_dropped(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    appends = [
        Append(uuid4(), b"x", LATER),
        Append(uuid4(), b"x", LATER, device=1),
        Append(account, b"x", LATER, device=2),
        Append(account, b"x", LATER, except_device=1),
        Append(account, b"x", LATER, device=2, key=b"k"),
    ]
    assert await queues.change([], appends) == ()
    assert await positions(queues, Address(account, 1)) == []


async def test_removed_positions_leave_and_never_come_again(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    address = Address(account, 1)
    await queues.change([], [Append(account, b"x", LATER)] * 4)
    await queues.change([Removal(address, (2, 4, 99))], [])
    assert await positions(queues, address) == [1, 3]
    await queues.change([Removal(address, (1, 3))], [])
    await queues.change([], [Append(account, b"y", LATER)])
    assert await fetch(queues, address) == (QueueEntry(5, b"y"),)


async def test_a_removal_touches_its_own_queue_only(queues: DeviceQueues) -> None:
    account = await open_account(queues, 2)
    await queues.change([], [Append(account, b"x", LATER)])
    await queues.change(
        [Removal(Address(account, 1), (1,)), Removal(Address(uuid4(), 1), (1,))], []
    )
    assert await positions(queues, Address(account, 1)) == []
    assert await positions(queues, Address(account, 2)) == [1]


async def test_a_key_is_taken_once_while_its_entry_is_held(queues: DeviceQueues) -> None:
    account = await open_account(queues, 2)
    keyed = Append(account, b"first", LATER, key=b"k")
    assert len(await queues.change([], [keyed])) == 2
    assert await queues.change([], [Append(account, b"again", LATER, key=b"k")]) == ()
    await queues.change([Removal(Address(account, 1), (1,))], [])
    assert await queues.change([], [keyed, keyed]) == (Address(account, 1),)
    # A refused key uses up no position.
    assert await positions(queues, Address(account, 1)) == [2]
    assert await positions(queues, Address(account, 2)) == [1]


async def test_a_removal_frees_its_key_within_the_same_change(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    address = Address(account, 1)
    await queues.change([], [Append(account, b"old", LATER, key=b"k")])
    woken = await queues.change(
        [Removal(address, (1,))], [Append(account, b"new", LATER, key=b"k")]
    )
    assert woken == (address,)
    assert await fetch(queues, address) == (QueueEntry(2, b"new"),)


async def test_entries_with_and_without_key_share_one_order(queues: DeviceQueues) -> None:
    account = await open_account(queues, 1)
    await queues.change(
        [],
        [
            Append(account, b"a", LATER),
            Append(account, b"b", LATER, key=b"1"),
            Append(account, b"c", LATER),
            Append(account, b"d", LATER, key=b"2"),
        ],
    )
    entries = await fetch(queues, Address(account, 1))
    assert entries == tuple(
        QueueEntry(n, b) for n, b in zip((1, 2, 3, 4), (b"a", b"b", b"c", b"d"), strict=True)
    )


async def test_sends_and_changes_at_once_leave_no_gap(queues: DeviceQueues) -> None:
    sender = Address(await open_account(queues, 1), 1)
    other = await open_account(queues, 1)
    address = Address(other, 1)
    rounds = 40
    await asyncio.gather(
        *(
            queues.send(operation(sender, other, n, payloads(other, 1)))
            for n in range(1, rounds + 1)
        ),
        *(queues.change([], [Append(other, b"r", LATER)]) for _ in range(rounds)),
    )
    assert await positions(queues, address) == list(range(1, 2 * rounds + 1))
    await asyncio.gather(
        *(queues.change([Removal(address, (n,))], []) for n in range(1, rounds + 1))
    )
    assert await positions(queues, address) == list(range(rounds + 1, 2 * rounds + 1))
    committed(await queues.send(operation(sender, other, rounds + 1, payloads(other, 1))))
    assert (await positions(queues, address))[-1] == 2 * rounds + 1
