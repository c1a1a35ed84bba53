import asyncio
from uuid import uuid4

import pytest

from backplane.registry.ports import AccountPresence, Lease, Location, PresenceRegistry, Registry
from ringline.protocol.types import Address
from tests.contract.registry.conftest import LEASE_MS, Ground

AT = 1_795_000_123_456


@pytest.fixture
def presence(registry: Registry) -> PresenceRegistry:
    return registry.presence


@pytest.fixture
def phone() -> Address:
    return Address(uuid4(), 1)


def place(lease: Lease) -> Location:
    return Location(lease.node, lease.session, lease.fence)


async def test_a_lease_is_found_where_it_was_taken(
    presence: PresenceRegistry, phone: Address
) -> None:
    lease, displaced = await presence.acquire(phone, "node-a", "s1")
    assert displaced is None
    assert (lease.address, lease.node, lease.session) == (phone, "node-a", "s1")
    assert await presence.locate([phone]) == [place(lease)]
    assert await presence.presence([phone.account]) == [AccountPresence(True, None)]


async def test_a_second_acquisition_displaces_the_first(
    presence: PresenceRegistry, phone: Address
) -> None:
    first, _ = await presence.acquire(phone, "node-a", "s1")
    second, displaced = await presence.acquire(phone, "node-b", "s2")
    assert displaced == place(first)
    assert second.fence > first.fence
    assert await presence.renew([first, second]) == [False, True]
    assert await presence.locate([phone]) == [place(second)]


async def test_a_stale_lease_cannot_release_the_newer(
    presence: PresenceRegistry, phone: Address
) -> None:
    first, _ = await presence.acquire(phone, "node-a", "s1")
    second, _ = await presence.acquire(phone, "node-b", "s2")
    assert not await presence.release(first, AT)
    assert await presence.locate([phone]) == [place(second)]
    assert await presence.release(second, AT + 1)
    assert await presence.locate([phone]) == [None]


async def test_a_release_notes_when_the_account_was_last_seen(
    presence: PresenceRegistry, phone: Address
) -> None:
    lease, _ = await presence.acquire(phone, "node-a", "s1")
    assert await presence.release(lease, AT)
    assert await presence.presence([phone.account]) == [AccountPresence(False, AT)]
    again, _ = await presence.acquire(phone, "node-a", "s2")
    assert await presence.release(again, AT - 5_000)
    assert await presence.presence([phone.account]) == [AccountPresence(False, AT)]


async def test_an_account_is_on_line_while_any_device_is(
    presence: PresenceRegistry, phone: Address
) -> None:
    tablet = Address(phone.account, 2)
    lease, _ = await presence.acquire(phone, "node-a", "s1")
    other, _ = await presence.acquire(tablet, "node-b", "s2")
    await presence.release(lease, AT)
    assert await presence.presence([phone.account]) == [AccountPresence(True, AT)]
    assert await presence.locate([tablet, phone]) == [place(other), None]


async def test_a_released_lease_does_not_come_back_by_a_late_renewal(
    presence: PresenceRegistry, phone: Address
) -> None:
    lease, _ = await presence.acquire(phone, "node-a", "s1")
    assert await presence.release(lease, AT)
    assert await presence.renew([lease]) == [False]
    assert not await presence.release(lease, AT)
    assert await presence.locate([phone]) == [None]
    again, displaced = await presence.acquire(phone, "node-a", "s2")
    assert displaced is None
    assert again.fence > lease.fence


async def test_a_lease_ends_by_itself(
    ground: Ground, presence: PresenceRegistry, phone: Address
) -> None:
    await presence.acquire(phone, "node-a", "s1")
    await ground.pass_ms(LEASE_MS + 20)
    assert await presence.locate([phone]) == [None]
    [seen] = await presence.presence([phone.account])
    assert not seen.online
    assert seen.last_seen is not None  # its acquisition, for it was never renewed
    _, displaced = await presence.acquire(phone, "node-b", "s2")
    assert displaced is None


async def test_a_renewed_lease_lives_its_full_life_again(
    ground: Ground, presence: PresenceRegistry, phone: Address
) -> None:
    lease, _ = await presence.acquire(phone, "node-a", "s1")
    for _ in range(3):
        await ground.pass_ms(LEASE_MS // 2)
        assert await presence.renew([lease]) == [True]
    assert await presence.locate([phone]) == [place(lease)]


async def test_an_expired_lease_comes_back_unless_somebody_newer_held_it(
    ground: Ground, presence: PresenceRegistry, phone: Address
) -> None:
    tablet = Address(phone.account, 2)
    lease, _ = await presence.acquire(phone, "node-a", "s1")
    stale, _ = await presence.acquire(tablet, "node-a", "s2")
    await presence.acquire(tablet, "node-b", "s3")
    await ground.pass_ms(LEASE_MS + 20)
    assert await presence.renew([lease, stale]) == [True, False]
    assert await presence.locate([phone, tablet]) == [place(lease), None]


async def test_renewals_beyond_one_pipeline_answer_in_order(presence: PresenceRegistry) -> None:
    leases = [Lease(Address(uuid4(), 1), "node-a", f"s{number}", 10) for number in range(1300)]
    gone = [leases[600], leases[1200]]
    for lease in gone:
        await presence.acquire(lease.address, "node-b", "newer")
    assert await presence.renew(leases) == [lease not in gone for lease in leases]
    found = await presence.locate([lease.address for lease in leases])
    nodes = [location.node if location else None for location in found]
    assert nodes == ["node-b" if lease in gone else "node-a" for lease in leases]


async def test_fifty_acquisitions_at_once_leave_one_holder(
    presence: PresenceRegistry, phone: Address
) -> None:
    taken = await asyncio.gather(
        *(presence.acquire(phone, f"node-{number}", "s") for number in range(50))
    )
    fences = [lease.fence for lease, _ in taken]
    assert len(set(fences)) == 50
    displaced = {place.fence for _, place in taken if place is not None}
    assert displaced == set(fences) - {max(fences)}  # each but the last was displaced once
    renewed = await presence.renew([lease for lease, _ in taken])
    assert [fence for fence, ours in zip(fences, renewed, strict=True) if ours] == [max(fences)]


async def test_unknown_accounts_and_empty_questions(presence: PresenceRegistry) -> None:
    assert await presence.presence([uuid4()]) == [AccountPresence(False, None)]
    assert await presence.locate([Address(uuid4(), 1)]) == [None]
    assert await presence.presence([]) == []
    assert await presence.locate([]) == []
    assert await presence.renew([]) == []
