"""Group calls and the removal of accounts, on every adapter."""

from uuid import UUID, uuid4

import pytest

from backplane.storage.device_queues import DeviceQueues
from backplane.storage.group_calls import GroupCallRecord, GroupCalls
from backplane.storage.records import NewDeviceRecord, Records
from ringline.protocol.types import Address, ContactState
from tests.contract.storage.conftest import NOW

LINK = "x" * 43


@pytest.fixture
def records(storage: tuple[Records, DeviceQueues]) -> Records:
    return storage[0]


@pytest.fixture
def group_calls(records: Records) -> GroupCalls:
    return records.group_calls


def new_call(*members: UUID, creator: UUID | None = None) -> GroupCallRecord:
    return GroupCallRecord(uuid4(), creator or uuid4(), members, LINK, NOW)


async def test_a_call_is_shown_as_it_was_made(group_calls: GroupCalls) -> None:
    ann, bob = sorted([uuid4(), uuid4()])
    call = new_call(bob, ann, bob)
    made = await group_calls.create(call)
    assert made is not None
    assert made.members == (ann, bob)
    assert await group_calls.show(call.call) == made
    assert (made.creator, made.link_token, made.ended_at) == (call.creator, LINK, None)
    assert await group_calls.show(uuid4()) is None


async def test_made_again_it_stays_as_it_was(group_calls: GroupCalls) -> None:
    call = new_call(uuid4())
    made = await group_calls.create(call)
    again = GroupCallRecord(call.call, call.creator, (), "other" * 8, NOW + 5)
    assert await group_calls.create(again) == made


async def test_somebody_elses_id_is_refused(group_calls: GroupCalls) -> None:
    call = new_call()
    made = await group_calls.create(call)
    assert await group_calls.create(GroupCallRecord(call.call, uuid4(), (), LINK, NOW)) is None
    assert await group_calls.show(call.call) == made


async def test_it_ends_once(group_calls: GroupCalls) -> None:
    call = new_call()
    await group_calls.create(call)
    assert await group_calls.end(call.call, NOW + 1)
    assert not await group_calls.end(call.call, NOW + 2)
    assert not await group_calls.end(uuid4(), NOW)
    shown = await group_calls.show(call.call)
    assert shown is not None
    assert shown.ended_at == NOW + 1


async def test_members_are_added_up_to_the_limit(group_calls: GroupCalls) -> None:
    ann, bob = uuid4(), uuid4()
    call = new_call(ann)
    await group_calls.create(call)
    assert await group_calls.add_member(call.call, ann, 1)
    assert not await group_calls.add_member(call.call, bob, 1)
    assert await group_calls.add_member(call.call, bob, 2)
    assert not await group_calls.add_member(uuid4(), bob, 2)
    shown = await group_calls.show(call.call)
    assert shown is not None
    assert shown.members == tuple(sorted([ann, bob]))


async def test_who_was_removed_does_not_come_back(group_calls: GroupCalls) -> None:
    ann, bob, eve = uuid4(), uuid4(), uuid4()
    call = new_call(ann, bob)
    await group_calls.create(call)
    for account in (ann, ann, eve):
        assert await group_calls.remove_member(call.call, account, NOW, 8)
    assert not await group_calls.add_member(call.call, ann, 8)
    assert not await group_calls.add_member(call.call, eve, 8)
    assert not await group_calls.remove_member(uuid4(), ann, NOW, 8)
    shown = await group_calls.show(call.call)
    assert shown is not None
    assert (shown.members, shown.removed) == ((bob,), tuple(sorted([ann, eve])))


async def test_the_removed_are_counted_in(group_calls: GroupCalls) -> None:
    ann, bob, eve = uuid4(), uuid4(), uuid4()
    call = new_call(ann)
    await group_calls.create(call)
    assert await group_calls.remove_member(call.call, bob, NOW, 2)
    assert not await group_calls.add_member(call.call, eve, 2)
    assert not await group_calls.remove_member(call.call, eve, NOW, 2)
    assert await group_calls.remove_member(call.call, ann, NOW, 2)


async def test_the_oldest_that_go_on_are_found(group_calls: GroupCalls) -> None:
    made = [GroupCallRecord(uuid4(), uuid4(), (), LINK, NOW + age) for age in range(4)]
    for call in reversed(made):
        await group_calls.create(call)
    await group_calls.end(made[0].call, NOW + 9)
    ids = [call.call for call in made]
    assert await group_calls.aged(NOW + 2, 1) == (ids[1],)
    assert await group_calls.aged(NOW + 2, 9) == (ids[1], ids[2])
    assert await group_calls.aged(NOW, 9) == ()


async def test_ended_calls_are_forgotten(group_calls: GroupCalls) -> None:
    ann = uuid4()
    made = [new_call(ann) for _ in range(3)]
    for call in made:
        await group_calls.create(call)
    for place, call in enumerate(made[:2]):
        await group_calls.end(call.call, NOW + place)
    assert await group_calls.forget(NOW, 9) == 1
    assert await group_calls.forget(NOW, 9) == 0
    assert await group_calls.forget(NOW + 9, 0) == 0
    assert [await group_calls.show(call.call) is None for call in made] == [True, False, False]
    assert await group_calls.create(made[0]) is not None
    assert not await group_calls.add_member(made[0].call, uuid4(), 1)


async def test_an_account_is_removed_with_devices_and_contacts(records: Records) -> None:
    ann, bob = uuid4(), uuid4()
    device = NewDeviceRecord("phone", 7, b"h" * 32)
    await records.register("+15550001", ann, device, NOW)
    await records.register("+15550002", bob, device, NOW)
    await records.raise_contact(ann, bob, ContactState.ACCEPTED, NOW)
    await records.raise_contact(bob, ann, ContactState.ACCEPTED, NOW)
    assert await records.remove_account(ann)
    assert not await records.remove_account(ann)
    assert await records.account(ann) is None
    assert await records.device(Address(ann, 1)) is None
    assert await records.contacts(bob) == ()
    assert await records.accounts_by_number(["+15550001", "+15550002"]) == {"+15550002": bob}


async def test_accounts_are_found_by_the_beginning_of_their_number(records: Records) -> None:
    device = NewDeviceRecord("phone", 7, b"h" * 32)
    made = [uuid4() for _ in range(3)]
    for place, account in enumerate(made):
        await records.register(f"+99900{place}", account, device, NOW + place)
    await records.register("+15550002", uuid4(), device, NOW)
    found = await records.accounts_from("+999", NOW + 2, 10)
    assert [record.account for record in found] == made[:2]
    assert [r.account for r in await records.accounts_from("+999", NOW + 9, 1)] == made[:1]
    assert await records.accounts_from("+9_9", NOW + 9, 10) == ()
