"""Placements of group calls, removals from them, and relay deadlines."""

from uuid import uuid4

from backplane.registry.ports import Registry
from tests.contract.registry.conftest import Ground

LIFE_MS = 60_000


async def test_the_first_node_has_the_call(registry: Registry) -> None:
    call = uuid4()
    assert await registry.placements.place(call, "sfu-1", LIFE_MS) == "sfu-1"
    assert await registry.placements.place(call, "sfu-2", LIFE_MS) == "sfu-1"
    assert await registry.placements.place(uuid4(), "sfu-2", LIFE_MS) == "sfu-2"


async def test_a_node_holds_what_is_its_own_or_nobodys(registry: Registry) -> None:
    ours, theirs, lost = uuid4(), uuid4(), uuid4()
    await registry.placements.place(ours, "sfu-1", LIFE_MS)
    await registry.placements.place(theirs, "sfu-2", LIFE_MS)
    held = await registry.placements.hold([ours, theirs, lost], "sfu-1", LIFE_MS)
    assert held == [True, False, True]
    assert await registry.placements.place(lost, "sfu-2", LIFE_MS) == "sfu-1"
    assert await registry.placements.hold([], "sfu-1", LIFE_MS) == []


async def test_a_placement_ends_unless_it_is_held(ground: Ground, registry: Registry) -> None:
    held, left = uuid4(), uuid4()
    for call in (held, left):
        await registry.placements.place(call, "sfu-1", 80)
    await registry.placements.hold([held], "sfu-1", LIFE_MS)
    await ground.pass_ms(100)
    assert await registry.placements.place(held, "sfu-2", LIFE_MS) == "sfu-1"
    assert await registry.placements.place(left, "sfu-2", LIFE_MS) == "sfu-2"


async def test_only_its_own_node_releases_a_call(registry: Registry) -> None:
    call = uuid4()
    await registry.placements.place(call, "sfu-1", LIFE_MS)
    await registry.placements.release(call, "sfu-2")
    assert await registry.placements.place(call, "sfu-3", LIFE_MS) == "sfu-1"
    await registry.placements.release(call, "sfu-1")
    await registry.placements.release(call, "sfu-1")
    assert await registry.placements.place(call, "sfu-3", LIFE_MS) == "sfu-3"


async def test_a_relay_deadline_is_put_and_lifted(registry: Registry) -> None:
    call = uuid4()
    assert await registry.relay_deadlines.get(call) is None
    await registry.relay_deadlines.put_new(call, 1_000, LIFE_MS)
    await registry.relay_deadlines.put_new(call, 2_000, LIFE_MS)
    assert await registry.relay_deadlines.get(call) == 1_000
    await registry.relay_deadlines.put(call, 1_700_000_000_000, LIFE_MS)
    assert await registry.relay_deadlines.get(call) == 1_700_000_000_000
    await registry.relay_deadlines.lift(call)
    await registry.relay_deadlines.lift(call)
    assert await registry.relay_deadlines.get(call) is None


async def test_deadlines_and_removals_end(ground: Ground, registry: Registry) -> None:
    call, account = uuid4(), uuid4()
    await registry.relay_deadlines.put(call, 1_000, 80)
    await registry.removals.put(call, account, 5, 80)
    await ground.pass_ms(100)
    assert await registry.relay_deadlines.get(call) is None
    assert await registry.removals.get(call, account) is None


async def test_a_removal_is_of_one_account_from_one_call(registry: Registry) -> None:
    call, account = uuid4(), uuid4()
    await registry.removals.put(call, account, 5, LIFE_MS)
    await registry.removals.put(call, account, 7, LIFE_MS)
    assert await registry.removals.get(call, account) == 7
    assert await registry.removals.get(call, uuid4()) is None
    assert await registry.removals.get(uuid4(), account) is None
