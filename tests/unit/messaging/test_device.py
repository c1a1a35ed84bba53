"""Devices: linked by a code that another shows, listed, revoked."""

import asyncio
from uuid import UUID

import pytest

from backplane.bus.ports import Revoked
from backplane.storage.device_queues import QueueDevice
from messaging.errors import Refused
from messaging.settings import RegistrationLimits
from ringline.protocol import limits
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import DeviceCredential, LinkedDevice, NewDevice
from ringline.protocol.types import Address
from tests.unit.messaging.conftest import PEER, BuildTown, Town

TABLET = NewDevice(name="tablet", registration_id=8)


async def link(town: Town, owner: Address) -> DeviceCredential:
    shown = await town.messaging.devices.show_link_code(owner)
    wish = LinkedDevice(link_code=shown.link_code, device=TABLET)
    return await town.messaging.devices.link(wish, PEER)


async def owner_of(town: Town) -> Address:
    credential = await town.register()
    return Address(credential.account, credential.device)


async def refusal(work: object) -> ProblemType:
    with pytest.raises(Refused) as refused:
        await work  # type: ignore[misc]
    return next(kind for kind in ProblemType if kind.uri == refused.value.problem.type)


async def test_linked_device_joins_and_has_a_queue(town: Town) -> None:
    owner = await owner_of(town)
    linked = await link(town, owner)
    assert (linked.account, linked.device) == (owner.account, 2)
    account = await town.messaging.devices.describe(owner)
    assert [(d.device, d.name) for d in account.devices] == [(1, "phone"), (2, "tablet")]
    others = await town.messaging.devices.addresses(owner, owner.account)
    assert [d.device for d in others.devices] == [2], "the asking device is left out"


async def test_link_code_as_typed_works_once(town: Town) -> None:
    owner = await owner_of(town)
    shown = await town.messaging.devices.show_link_code(owner)
    typed = shown.link_code.lower().replace("-", " ")
    wish = LinkedDevice(link_code=typed, device=TABLET)
    await town.messaging.devices.link(wish, PEER)
    again = town.messaging.devices.link(wish, PEER)
    assert await refusal(again) is ProblemType.CODE_REFUSED


async def test_one_of_many_at_once_wins_the_code(town: Town) -> None:
    owner = await owner_of(town)
    shown = await town.messaging.devices.show_link_code(owner)
    wish = LinkedDevice(link_code=shown.link_code, device=TABLET)
    answers = await asyncio.gather(
        *(town.messaging.devices.link(wish, PEER) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, DeviceCredential) for answer in answers) == 1


async def test_link_code_dies_after_a_minute(town: Town) -> None:
    shown = await town.messaging.devices.show_link_code(await owner_of(town))
    town.clock.now += limits.LINK_CODE_LIFETIME_S * 1000 + 1
    wish = LinkedDevice(link_code=shown.link_code, device=TABLET)
    late = town.messaging.devices.link(wish, PEER)
    assert await refusal(late) is ProblemType.CODE_REFUSED


async def test_eight_devices_and_no_more(town: Town) -> None:
    owner = await owner_of(town)
    for _ in range(limits.ACCOUNT_DEVICES_MAX - 1):
        await link(town, owner)
    full = town.messaging.devices.show_link_code(owner)
    assert await refusal(full) is ProblemType.DEVICES_FULL


async def test_guessing_link_codes_is_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(link_attempts_per_address_hour=2))
    wish = LinkedDevice(link_code="AAAAA-AAAAA", device=TABLET)
    for expected in (ProblemType.CODE_REFUSED,) * 2 + (ProblemType.RATE_LIMITED,):
        assert await refusal(town.messaging.devices.link(wish, PEER)) is expected


async def test_revoked_device_is_gone_everywhere_and_told(town: Town) -> None:
    owner = await owner_of(town)
    linked = await link(town, owner)
    gone = Address(owner.account, linked.device)
    await town.messaging.devices.revoke(owner, linked.device)
    assert await town.messaging.records.device(gone) is None
    assert await town.messaging.queues.head(gone) is None
    await asyncio.sleep(0.01)
    assert Revoked(addresses=[gone], replaced=False) in town.bus_messages
    again = town.messaging.devices.revoke(owner, linked.device)
    assert await refusal(again) is ProblemType.NOT_FOUND


async def test_asking_again_finishes_a_revocation_that_a_crash_cut_short(town: Town) -> None:
    owner = await owner_of(town)
    linked = await link(town, owner)
    gone = Address(owner.account, linked.device)
    await town.messaging.records.remove_device(gone)
    again = town.messaging.devices.revoke(owner, linked.device)
    assert await refusal(again) is ProblemType.NOT_FOUND
    assert await town.messaging.queues.head(gone) is None
    await asyncio.sleep(0)
    assert Revoked(addresses=[gone], replaced=False) in town.bus_messages


async def test_device_that_was_replaced_while_it_joined_leaves_no_queue(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await owner_of(town)
    opening = town.messaging.queues.open

    async def register_first(account: UUID, device: QueueDevice, now: int) -> None:
        monkeypatch.setattr(town.messaging.queues, "open", opening)
        town.clock.now += 61_000
        await town.register()
        await opening(account, device, now)

    monkeypatch.setattr(town.messaging.queues, "open", register_first)
    assert await refusal(link(town, owner)) is ProblemType.CODE_REFUSED
    known = {device.device for device in await town.messaging.records.devices(owner.account)}
    opened = {device.device for device in await town.messaging.queues.devices(owner.account)}
    assert known == opened
    assert len(known) == 1


async def test_link_codes_of_one_account_are_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(link_codes_per_account_hour=2))
    owner = await owner_of(town)
    for _ in range(2):
        await town.messaging.devices.show_link_code(owner)
    third = town.messaging.devices.show_link_code(owner)
    assert await refusal(third) is ProblemType.RATE_LIMITED


async def test_link_attempts_of_all_addresses_are_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(link_attempts_hour=2))
    wish = LinkedDevice(link_code="AAAAA-AAAAA", device=TABLET)
    for index, expected in enumerate((ProblemType.CODE_REFUSED,) * 2 + (ProblemType.RATE_LIMITED,)):
        attempt = town.messaging.devices.link(wish, f"198.51.100.{index}")
        assert await refusal(attempt) is expected


async def test_new_link_code_kills_the_one_before(town: Town) -> None:
    owner = await owner_of(town)
    old = await town.messaging.devices.show_link_code(owner)
    await town.messaging.devices.show_link_code(owner)
    late = town.messaging.devices.link(LinkedDevice(link_code=old.link_code, device=TABLET), PEER)
    assert await refusal(late) is ProblemType.CODE_REFUSED


async def test_numbers_are_not_reused_at_once(town: Town) -> None:
    owner = await owner_of(town)
    linked = await link(town, owner)
    await town.messaging.devices.revoke(owner, linked.device)
    assert (await link(town, owner)).device == linked.device + 1
