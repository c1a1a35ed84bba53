"""Records on every adapter: accounts, devices, contacts, calls."""

import asyncio
from uuid import UUID, uuid4

from backplane.storage.records import (
    AccountRecord,
    CallPair,
    CallRow,
    ContactRecord,
    NewDeviceRecord,
    Records,
)
from ringline.protocol.types import Address, ContactState
from tests.contract.storage.conftest import NOW

NUMBER = "+4930123456"


def new_device(name: str = "phone", registration_id: int = 5) -> NewDeviceRecord:
    return NewDeviceRecord(name, registration_id, name.encode().ljust(32, b"\0"))


async def register(records: Records, number: str = NUMBER) -> UUID:
    return (await records.register(number, uuid4(), new_device(), NOW)).account


def sorted_pair() -> tuple[UUID, UUID]:
    low, high = sorted((uuid4(), uuid4()))
    return low, high


async def test_the_first_registration_makes_the_account(records: Records) -> None:
    fresh = uuid4()
    made = await records.register(NUMBER, fresh, new_device("a"), NOW)
    assert (made.account, made.device.device, made.replaced) == (fresh, 1, ())
    assert await records.account(fresh) == AccountRecord(fresh, NUMBER, NOW)
    assert await records.device(Address(fresh, 1)) == made.device
    assert made.device.credential_hash == new_device("a").credential_hash
    assert made.device.last_seen_at is None


async def test_registering_again_keeps_the_account_and_replaces_devices(records: Records) -> None:
    account = await register(records)
    await records.add_device(account, new_device("second"), 8, NOW)
    again = await records.register(NUMBER, uuid4(), new_device("new"), NOW + 5)
    assert (again.account, again.device.device, again.replaced) == (account, 3, (1, 2))
    assert await records.devices(account) == (again.device,)
    assert await records.account(account) == AccountRecord(account, NUMBER, NOW)


async def test_concurrent_registrations_of_a_number_share_one_account(records: Records) -> None:
    made = await asyncio.gather(
        *(records.register(NUMBER, uuid4(), new_device(str(n)), NOW) for n in range(12))
    )
    assert len({m.account for m in made}) == 1
    assert sorted(m.device.device for m in made) == list(range(1, 13))
    assert len(await records.devices(made[0].account)) == 1


async def test_device_numbers_rise_and_wrap_to_free_ones(records: Records) -> None:
    account = await register(records)
    for expected in range(2, 128):
        added = await records.add_device(account, new_device(), 8, NOW)
        assert added is not None
        assert added.device == expected
        assert await records.remove_device(added_address := Address(account, expected))
        assert not await records.remove_device(added_address)
    wrapped = await records.add_device(account, new_device(), 8, NOW)
    assert wrapped is not None
    assert wrapped.device == 2  # 1 is still there


async def test_devices_are_limited(records: Records) -> None:
    account = await register(records)
    added = await asyncio.gather(
        *(records.add_device(account, new_device(str(n)), 8, NOW) for n in range(12))
    )
    assert sum(device is not None for device in added) == 7
    devices = await records.devices(account)
    assert [device.device for device in devices] == list(range(1, 9))
    assert await records.add_device(uuid4(), new_device(), 8, NOW) is None


async def test_unknown_things_are_none(records: Records) -> None:
    stranger = uuid4()
    assert await records.account(stranger) is None
    assert await records.device(Address(stranger, 1)) is None
    assert await records.devices(stranger) == ()
    assert await records.call(stranger) is None
    assert not await records.remove_device(Address(stranger, 1))


async def test_seen_is_noted_on_devices_that_exist(records: Records) -> None:
    account = await register(records)
    await records.seen([Address(account, 1), Address(account, 2), Address(uuid4(), 1)], NOW + 9)
    device = await records.device(Address(account, 1))
    assert device is not None
    assert device.last_seen_at == NOW + 9
    await records.seen([], NOW)


async def test_numbers_are_found(records: Records) -> None:
    first, second = await register(records), await register(records, "+15550001")
    found = await records.accounts_by_number([NUMBER, "+15550001", "+15550002"])
    assert found == {NUMBER: first, "+15550001": second}
    assert await records.accounts_by_number([]) == {}


async def test_a_contact_rises_and_is_never_lowered(records: Records) -> None:
    owner, peer = uuid4(), uuid4()
    assert await records.contact(owner, peer) is None
    await records.raise_contact(owner, peer, ContactState.REQUESTED, NOW)
    await records.raise_contact(owner, peer, ContactState.REQUESTED, NOW)
    assert await records.contact(owner, peer) is ContactState.REQUESTED
    await records.raise_contact(owner, peer, ContactState.ACCEPTED, NOW)
    await records.raise_contact(owner, peer, ContactState.REQUESTED, NOW)
    assert await records.contact(owner, peer) is ContactState.ACCEPTED
    assert await records.contact(peer, owner) is None


async def test_contacts_are_listed_in_order_and_removed(records: Records) -> None:
    owner = uuid4()
    peers = sorted((uuid4() for _ in range(5)), key=lambda peer: peer.bytes)
    for peer in reversed(peers):
        await records.raise_contact(owner, peer, ContactState.REQUESTED, NOW)
    await records.raise_contact(uuid4(), peers[0], ContactState.ACCEPTED, NOW)
    assert await records.contacts(owner) == tuple(
        ContactRecord(owner, peer, ContactState.REQUESTED) for peer in peers
    )
    assert await records.remove_contact(owner, peers[2])
    assert not await records.remove_contact(owner, peers[2])
    assert [c.peer for c in await records.contacts(owner)] == peers[:2] + peers[3:]


async def test_a_call_is_committed_against_its_version(records: Records) -> None:
    pair = sorted_pair()
    assert await records.call_pair(pair) == CallPair(0, b"")
    row = CallRow(uuid4(), pair[0], pair[1], b"ringing")
    assert not await records.commit_call(pair, 1, b"early", [row], None)
    assert await records.commit_call(pair, 0, b"one", [row], NOW)
    assert not await records.commit_call(pair, 0, b"late", [CallRow(uuid4(), *pair, b"")], None)
    assert await records.call_pair(pair) == CallPair(1, b"one")
    ended = CallRow(row.call, pair[0], pair[1], b"ended")
    assert await records.commit_call(pair, 1, b"two", [ended], None)
    assert await records.call_pair(pair) == CallPair(2, b"two")
    assert await records.call(row.call) == ended


async def test_a_lost_commit_leaves_its_rows_out(records: Records) -> None:
    pair = sorted_pair()
    lost = CallRow(uuid4(), pair[0], pair[1], b"lost")
    await records.commit_call(pair, 0, b"one", [], None)
    assert not await records.commit_call(pair, 0, b"two", [lost], None)
    assert await records.call(lost.call) is None


async def test_of_racing_commits_one_wins(records: Records) -> None:
    pair = sorted_pair()
    for version in range(5):
        rows = [CallRow(uuid4(), pair[0], pair[1], b"%d" % n) for n in range(10)]
        won = await asyncio.gather(
            *(records.commit_call(pair, version, row.document, [row], None) for row in rows)
        )
        assert sum(won) == 1
        winner = rows[won.index(True)]
        assert await records.call_pair(pair) == CallPair(version + 1, winner.document)
        kept = [row for row in rows if await records.call(row.call) is not None]
        assert kept == [winner]


async def test_another_pairs_call_id_stays_theirs(records: Records) -> None:
    pair, thief = sorted_pair(), sorted_pair()
    row = CallRow(uuid4(), pair[1], pair[0], b"theirs")
    await records.commit_call(pair, 0, b"", [row], None)
    await records.commit_call(thief, 0, b"", [CallRow(row.call, *thief, b"mine")], None)
    assert await records.call(row.call) == row


async def test_due_calls_come_oldest_first(records: Records) -> None:
    pairs = [sorted_pair() for _ in range(4)]
    for pair, deadline in zip(pairs, (NOW + 30, NOW + 10, None, NOW + 20), strict=True):
        await records.commit_call(pair, 0, b"", [], deadline)
    assert await records.due_calls(NOW + 9, 10) == ()
    assert await records.due_calls(NOW + 20, 10) == (pairs[1], pairs[3])
    assert await records.due_calls(NOW + 30, 2) == (pairs[1], pairs[3])
    assert await records.commit_call(pairs[1], 1, b"", [], None)
    assert await records.due_calls(NOW + 30, 10) == (pairs[3], pairs[0])


async def test_a_crowd_is_served_within_the_deadline(records: Records) -> None:
    """Far more at once than there are connections, writes and reads."""
    made = await asyncio.gather(*(register(records, f"+1555{n:04}") for n in range(100)))
    accounts = await asyncio.gather(*(records.account(account) for account in made))
    assert [a.number for a in accounts if a is not None] == [f"+1555{n:04}" for n in range(100)]


async def test_probe_answers(records: Records) -> None:
    await records.probe()
