"""What of its own machine the relay reaches: live relayed ports, nothing else (T3)."""

from contextlib import AsyncExitStack

import pytest

from tests.integration.turn import wire
from tests.integration.turn.canary import canary
from tests.integration.turn.client import Client
from tests.integration.turn.networks import NODE, NODE_SECOND, Networks
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Attr, Host, Kind, Method

BACK_ENDS = {"Redis": 6379, "PostgreSQL": 5432, "SSH": 22022, "admin": 9092}
DROPPED = "ringline_relay_dropped_total"


async def permitted(relay: Relay) -> tuple[Client, Host]:
    """A client whose permission covers the relay's own address, and its relayed address."""
    client = await relay.client()
    relayed = await client.allocated()
    assert (await client.permit((NODE, 1))).kind is Kind.SUCCESS
    return client, relayed


@pytest.mark.parametrize("name", BACK_ENDS)
async def test_a_back_end_on_the_machine_is_out_of_reach(
    relay: Relay, nets: Networks, name: str
) -> None:
    port = BACK_ENDS[name]
    client, _ = await permitted(relay)
    before = relay.metric(DROPPED, reason="own-port")
    async with AsyncExitStack() as stack:
        bird = await stack.enter_async_context(canary(nets.node, port)) if name != "admin" else None
        client.send_indication((NODE, port), b"*1\r\n$8\r\nFLUSHALL\r\n")
        assert (await client.bind(0x4000, (NODE, port))).error == 403
        client.send_channel(0x4000, b"PING\r\n")
        await client.fence()
        assert bird is None or await bird.silent()
    assert relay.metric(DROPPED, reason="own-port") >= before + 2


async def test_another_address_of_the_machine_is_out_of_reach_too(
    relay: Relay, nets: Networks
) -> None:
    client = await relay.client()
    await client.allocated()
    async with canary(nets.node, 6379) as bird:
        peer = (NODE_SECOND, 6379)
        assert await bird.hears(NODE_SECOND)
        await client.permit(peer)
        client.send_indication(peer, b"PING\r\n")
        assert (await client.bind(0x4000, peer)).error == 403
        client.send_channel(0x4000, b"PING\r\n")
        await client.fence()
        assert await bird.silent()


async def test_the_relay_does_not_talk_to_itself(relay: Relay) -> None:
    """An allocation within an allocation would be a chain: the listening port takes nothing relayed."""
    client, _ = await permitted(relay)
    before = relay.metric(DROPPED, reason="own-port")
    allocate = [(int(Attr.REQUESTED_TRANSPORT), wire.UDP)]
    for method, attributes in ((Method.BINDING, []), (Method.ALLOCATE, allocate)):
        nested = wire.encode(method, Kind.REQUEST, attributes, transaction=wire.new_transaction())
        client.send_indication(relay.bound, nested)
    assert (await client.bind(0x4001, relay.bound)).error == 403
    await client.fence()
    assert await client.nothing()
    assert relay.metric(DROPPED, reason="own-port") >= before + 2


async def test_two_clients_of_one_relay_meet(relay: Relay) -> None:
    ann, to_ann = await permitted(relay)
    bob, to_bob = await permitted(relay)
    ann.send_indication(to_bob, b"by indication")
    assert await bob.data() == (to_ann, b"by indication")
    assert (await ann.bind(0x4000, to_bob)).kind is Kind.SUCCESS
    assert (await bob.bind(0x4ABC, to_ann)).kind is Kind.SUCCESS
    ann.send_channel(0x4000, b"there")
    assert await bob.data() == (0x4ABC, b"there")
    bob.send_channel(0x4ABC, b"and back")
    assert await ann.data() == (0x4000, b"and back")


async def test_two_clients_meet_only_if_both_permit_it(relay: Relay) -> None:
    ann, to_ann = await permitted(relay)
    bob = await relay.client()
    to_bob = await bob.allocated()
    before = relay.metric(DROPPED, reason="no-permission")
    ann.send_indication(to_bob, b"too early")
    while relay.metric(DROPPED, reason="no-permission") == before:
        await ann.fence()
    assert (await bob.permit(to_ann)).kind is Kind.SUCCESS
    ann.send_indication(to_bob, b"in time")
    assert await bob.data() == (to_ann, b"in time")


async def test_a_port_is_out_of_reach_once_its_allocation_has_ended(
    relay: Relay, nets: Networks
) -> None:
    """A channel bound while the port was an allocation's says nothing of who has it afterwards."""
    ann, _ = await permitted(relay)
    bob, to_bob = await permitted(relay)
    assert (await ann.bind(0x4000, to_bob)).kind is Kind.SUCCESS
    assert (await bob.refresh(0)).kind is Kind.SUCCESS
    async with canary(nets.node, to_bob[1]) as bird:
        ann.send_channel(0x4000, b"to whoever has it now")
        ann.send_indication(to_bob, b"to whoever has it now")
        await ann.fence()
        assert await bird.silent()


async def test_allocations_pointed_at_each_other_multiply_nothing(relay: Relay) -> None:
    """One packet in, at most one out; and one sent to one's own relayed address comes back once."""
    ann, to_ann = await permitted(relay)
    bob, to_bob = await permitted(relay)
    assert (await ann.bind(0x4000, to_bob)).kind is Kind.SUCCESS
    assert (await bob.bind(0x4000, to_ann)).kind is Kind.SUCCESS
    for number in range(100):
        ann.send_channel(0x4000, b"%d" % number)
    assert [await bob.data() for _ in range(100)] == [(0x4000, b"%d" % n) for n in range(100)]
    ann.send_indication(to_ann, b"to myself")
    assert await ann.data() == (to_ann, b"to myself")
    assert await bob.nothing()
    assert await ann.nothing()
