"""DeviceQueues.send on every adapter: its checks, their order, and what it appends."""

import asyncio
from uuid import UUID, uuid4

import pytest

from backplane.storage.device_queues import (
    DevicePayload,
    DeviceQueues,
    DevicesDiffer,
    IdReused,
    QueueDevice,
    QueueEntry,
    RecipientPayloads,
    SendCommitted,
    SenderGone,
    SequenceBroken,
)
from ringline.protocol.problems import DeviceDifference
from ringline.protocol.types import Address
from tests.contract.storage.conftest import (
    NOW,
    REGISTRATION_ID,
    committed,
    fetch,
    open_account,
    operation,
    payloads,
    positions,
)


async def pair(queues: DeviceQueues) -> tuple[Address, UUID]:
    """A sender with one device, and an account with two."""
    return Address(await open_account(queues, 1), 1), await open_account(queues, 2)


async def test_a_send_reaches_every_device_of_both_accounts(queues: DeviceQueues) -> None:
    sender = Address(await open_account(queues, 3), 2)
    other = await open_account(queues, 2)
    own = RecipientPayloads(
        sender.account,
        tuple(DevicePayload(d, REGISTRATION_ID, b"own %d" % d) for d in (1, 3)),
    )
    outcome = await queues.send(operation(sender, other, 1, payloads(other, 2, b"theirs"), own))
    assert outcome == SendCommitted(
        NOW,
        False,
        (
            Address(other, 1),
            Address(other, 2),
            Address(sender.account, 1),
            Address(sender.account, 3),
        ),
    )
    assert await fetch(queues, Address(other, 2)) == (QueueEntry(1, b"theirs"),)
    assert await fetch(queues, Address(sender.account, 3)) == (QueueEntry(1, b"own 3"),)
    assert await fetch(queues, sender) == ()


async def test_a_note_to_oneself_needs_no_other_device(queues: DeviceQueues) -> None:
    sender, _ = await pair(queues)
    outcome = await queues.send(
        operation(sender, sender.account, 1, RecipientPayloads(sender.account, ()))
    )
    assert outcome == SendCommitted(NOW, False, ())
    assert await queues.next_sequence(sender, sender.account) == 2


async def test_a_sender_without_a_queue_is_gone(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    stranger = Address(uuid4(), 1)
    removed = Address(sender.account, 2)
    for gone in (stranger, removed):
        assert await queues.send(operation(gone, other, 1, payloads(other, 2))) == SenderGone()
    assert await positions(queues, Address(other, 1)) == []


async def test_the_sequence_is_the_next_one_or_nothing(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    assert await queues.next_sequence(sender, other) == 1
    for wrong in (0, 2, 7):
        outcome = await queues.send(operation(sender, other, wrong, payloads(other, 2)))
        assert outcome == SequenceBroken(1)
    committed(await queues.send(operation(sender, other, 1, payloads(other, 2))))
    for wrong in (1, 3):
        outcome = await queues.send(operation(sender, other, wrong, payloads(other, 2)))
        assert outcome == SequenceBroken(2)
    assert await positions(queues, Address(other, 1)) == [1]


async def test_sequences_are_per_device_and_conversation(queues: DeviceQueues) -> None:
    account = await open_account(queues, 2)
    first, second = await open_account(queues, 1), await open_account(queues, 1)
    for device in (1, 2):
        sender = Address(account, device)
        own = RecipientPayloads(account, (DevicePayload(3 - device, REGISTRATION_ID, b"o"),))
        for other in (first, second):
            committed(await queues.send(operation(sender, other, 1, payloads(other, 1), own)))
            assert await queues.next_sequence(sender, other) == 2


async def test_a_repeat_answers_as_before_and_appends_nothing(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    first = operation(sender, other, 1, payloads(other, 2), at=NOW)
    committed(await queues.send(first))
    committed(await queues.send(operation(sender, other, 2, payloads(other, 2))))
    await queues.open(other, QueueDevice(3, 5), NOW)  # a list that would differ now
    again = operation(sender, other, 1, payloads(other, 2), message=first.message, at=NOW + 500)
    assert await queues.send(again) == SendCommitted(NOW, True, ())
    assert await positions(queues, Address(other, 1)) == [1, 2]
    assert await queues.next_sequence(sender, other) == 3


async def test_an_id_is_used_once_by_a_device(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    third = await open_account(queues, 1)
    first = operation(sender, other, 1, payloads(other, 2))
    committed(await queues.send(first))
    with_next = operation(sender, other, 2, payloads(other, 2), message=first.message)
    elsewhere = operation(sender, third, 1, payloads(third, 1), message=first.message)
    wrong_sequence = operation(sender, third, 9, payloads(third, 1), message=first.message)
    for reuse in (with_next, elsewhere, wrong_sequence):
        assert await queues.send(reuse) == IdReused()
    assert await positions(queues, Address(third, 1)) == []
    assert await queues.next_sequence(sender, other) == 2


async def test_another_device_may_use_the_same_id(queues: DeviceQueues) -> None:
    one, other = await pair(queues)
    two = Address(await open_account(queues, 1), 1)
    message = uuid4()
    for sender in (one, two):
        committed(
            await queues.send(operation(sender, other, 1, payloads(other, 2), message=message))
        )
    assert await positions(queues, Address(other, 1)) == [1, 2]


@pytest.mark.parametrize(
    ("listed", "missing", "extra", "stale"),
    [
        ([(1, REGISTRATION_ID)], [2], [], []),
        ([], [1, 2], [], []),
        ([(1, REGISTRATION_ID), (2, REGISTRATION_ID), (9, 1), (4, 1)], [], [4, 9], []),
        ([(1, 3), (2, REGISTRATION_ID)], [], [], [1]),
        ([(1, 3), (7, REGISTRATION_ID)], [2], [7], [1]),
        ([(1, REGISTRATION_ID), (1, REGISTRATION_ID), (2, REGISTRATION_ID)], [], [1], []),
        ([(1, REGISTRATION_ID), (1, 4), (2, REGISTRATION_ID)], [], [1], [1]),
    ],
)
async def test_a_list_that_differs_is_refused_exactly(
    queues: DeviceQueues,
    listed: list[tuple[int, int]],
    missing: list[int],
    extra: list[int],
    stale: list[int],
) -> None:
    sender, other = await pair(queues)
    wrong = RecipientPayloads(other, tuple(DevicePayload(d, r, b"x") for d, r in listed))
    difference = DeviceDifference(account=other, missing=missing, extra=extra, stale=stale)
    outcome = await queues.send(operation(sender, other, 1, wrong))
    assert outcome == DevicesDiffer((difference,))
    assert await positions(queues, Address(other, 2)) == []
    assert await queues.next_sequence(sender, other) == 1


async def test_the_senders_account_is_compared_though_not_named(queues: DeviceQueues) -> None:
    sender = Address(await open_account(queues, 2), 1)
    other = await open_account(queues, 1)
    outcome = await queues.send(operation(sender, other, 1, payloads(other, 1)))
    assert outcome == DevicesDiffer((DeviceDifference(sender.account, [2], [], []),))
    assert await positions(queues, Address(other, 1)) == []


async def test_the_sending_device_lists_itself_never(queues: DeviceQueues) -> None:
    sender = Address(await open_account(queues, 1), 1)
    other = await open_account(queues, 1)
    outcome = await queues.send(
        operation(sender, other, 1, payloads(other, 1), payloads(sender.account, 1))
    )
    assert outcome == DevicesDiffer((DeviceDifference(sender.account, [], [1], []),))


async def test_both_accounts_differences_are_told(queues: DeviceQueues) -> None:
    sender = Address(await open_account(queues, 2), 1)
    other = await open_account(queues, 2)
    outcome = await queues.send(operation(sender, other, 1, payloads(other, 1)))
    assert outcome == DevicesDiffer(
        (
            DeviceDifference(other, [2], [], []),
            DeviceDifference(sender.account, [2], [], []),
        )
    )


async def test_an_account_named_twice_counts_once(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    halves = [RecipientPayloads(other, (DevicePayload(d, REGISTRATION_ID, b"x"),)) for d in (1, 2)]
    committed(await queues.send(operation(sender, other, 1, *halves)))
    outcome = await queues.send(operation(sender, other, 2, payloads(other, 2), payloads(other, 2)))
    assert outcome == DevicesDiffer((DeviceDifference(other, [], [1, 2], []),))
    assert await positions(queues, Address(other, 1)) == [1]


async def test_all_devices_of_an_unknown_account_are_extra(queues: DeviceQueues) -> None:
    sender, _ = await pair(queues)
    nobody = uuid4()
    outcome = await queues.send(operation(sender, nobody, 1, payloads(nobody, 2)))
    assert outcome == DevicesDiffer((DeviceDifference(nobody, [], [1, 2], []),))


async def test_nobody_can_be_written_to_with_an_empty_list(queues: DeviceQueues) -> None:
    sender, _ = await pair(queues)
    nobody = uuid4()
    outcome = await queues.send(operation(sender, nobody, 1, RecipientPayloads(nobody, ())))
    assert outcome == DevicesDiffer((DeviceDifference(nobody, [], [], []),))


async def test_concurrent_sends_keep_positions_and_sequences(queues: DeviceQueues) -> None:
    """Twenty senders write to one account at once; each one's sends start in its order."""
    other = await open_account(queues, 2)
    senders = [Address(await open_account(queues, 1), 1) for _ in range(20)]
    each = 25
    outcomes = await asyncio.gather(
        *(
            queues.send(
                operation(
                    sender, other, n, payloads(other, 2, b"%d %d" % (index, n)), message=uuid4()
                )
            )
            for n in range(1, each + 1)
            for index, sender in enumerate(senders)
        )
    )
    assert all(isinstance(outcome, SendCommitted) for outcome in outcomes)
    total = each * len(senders)
    for device in (1, 2):
        entries = await fetch(queues, Address(other, device), limit=total + 1)
        assert [entry.position for entry in entries] == list(range(1, total + 1))
        written = [tuple(map(int, entry.payload.split())) for entry in entries]
        for index in range(len(senders)):
            assert [n for who, n in written if who == index] == list(range(1, each + 1))
    for sender in senders:
        assert await queues.next_sequence(sender, other) == each + 1


async def test_of_concurrent_sends_with_one_sequence_one_wins(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    outcomes = await asyncio.gather(
        *(queues.send(operation(sender, other, 1, payloads(other, 2))) for _ in range(30))
    )
    assert sum(isinstance(outcome, SendCommitted) for outcome in outcomes) == 1
    assert outcomes.count(SequenceBroken(2)) == 29
    assert await positions(queues, Address(other, 2)) == [1]


async def test_of_concurrent_repeats_one_appends(queues: DeviceQueues) -> None:
    sender, other = await pair(queues)
    same = operation(sender, other, 1, payloads(other, 2))
    outcomes = [committed(o) for o in await asyncio.gather(*(queues.send(same) for _ in range(30)))]
    assert sum(not outcome.repeated for outcome in outcomes) == 1
    assert await positions(queues, Address(other, 1)) == [1]
