"""What the relay is for: data both ways, for as long as it was asked to (RFC 8656)."""

import asyncio

import pytest

from tests.integration.turn import wire
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.networks import NODE, WORLD
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Attr, Kind, Method

ALLOCATE = (int(Attr.REQUESTED_TRANSPORT), wire.UDP)
FAMILY_6 = (int(Attr.REQUESTED_ADDRESS_FAMILY), b"\x02\0\0\0")


async def test_a_binding_request_says_where_it_came_from(relay: Relay) -> None:
    client = await relay.client("11.1.77.88")
    reply = await client.binding()
    assert reply.kind is Kind.SUCCESS
    assert reply.address(Attr.XOR_MAPPED_ADDRESS) == client.host


async def test_an_allocation_says_all_that_it_must(relay: Relay) -> None:
    """RFC 8656 §7.3: relayed and mapped address, lifetime, integrity."""
    client = await relay.client()
    reply = await client.allocate(lifetime_s=700)
    assert wire.intact(reply, client.key)
    host, port = reply.address(Attr.XOR_RELAYED_ADDRESS)
    assert host == NODE
    assert 49_152 <= port <= 65_535
    assert reply.address(Attr.XOR_MAPPED_ADDRESS) == client.host
    assert reply.lifetime_s == 700


async def test_the_mapped_external_address_is_told(start_relay: StartRelay) -> None:
    relay = start_relay(external_address="11.0.0.77")
    host, _ = await (await relay.client()).allocated()
    assert host == "11.0.0.77"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 1100, 1400])
async def test_data_goes_both_ways_unchanged(relay: Relay, size: int) -> None:
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    payload = bytes(n * 7 % 256 for n in range(size))
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    client.send_indication(peer.host, payload)
    assert await peer.receive() == (payload, relayed)
    peer.send(payload, relayed)
    assert await client.data() == (peer.host, payload)
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
    client.send_channel(0x4000, payload)
    assert await peer.receive() == (payload, relayed)
    peer.send(payload, relayed)
    assert await client.data() == (0x4000, payload)


async def test_what_looks_like_stun_is_relayed_like_anything(relay: Relay) -> None:
    """The two ends' own connectivity checks, and channel data within data."""
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    check = wire.encode(Method.BINDING, Kind.REQUEST, transaction=wire.new_transaction())
    for payload in (check, wire.channel_data(0x4000, b"within")):
        client.send_indication(peer.host, payload)
        assert await peer.receive() == (payload, relayed)
        peer.send(payload, relayed)
        assert await client.data() == (peer.host, payload)


async def test_a_peer_needs_a_permission_for_its_address_not_its_port(relay: Relay) -> None:
    client = await relay.client()
    stranger, peer, second = [await relay.peer(h) for h in ("11.1.5.1", "11.1.5.2", "11.1.5.2")]
    relayed = await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    stranger.send(b"from a stranger", relayed)
    client.send_indication(stranger.host, b"to a stranger")
    peer.send(b"one", relayed)
    assert await client.data() == (peer.host, b"one")
    second.send(b"two", relayed)
    assert await client.data() == (second.host, b"two")
    client.send_indication(second.host, b"three")
    assert await second.receive() == (b"three", relayed)
    assert await stranger.nothing()


async def test_a_permission_ends_if_it_is_not_renewed(start_relay: StartRelay) -> None:
    relay = start_relay(permission_lifetime_s=1)
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    async with asyncio.timeout(30):
        while True:
            client.send_indication(peer.host, b"out")
            await client.fence()
            if await peer.nothing():
                break
            await asyncio.sleep(0.05)
            while not peer.arrived.empty():
                peer.arrived.get_nowait()
    peer.send(b"in", relayed)
    assert await client.nothing()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    peer.send(b"again", relayed)
    assert await client.data() == (peer.host, b"again")


async def test_a_channel_renews_its_permission(start_relay: StartRelay) -> None:
    """RFC 8656 §12.2: binding also installs or refreshes the permission."""
    relay = start_relay(permission_lifetime_s=2)
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    for number in range(6):
        assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
        peer.send(b"%d" % number, relayed)
        assert await client.data() == (0x4000, b"%d" % number)
        await asyncio.sleep(0.5)


async def test_a_deleted_allocation_relays_nothing_more(relay: Relay) -> None:
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
    reply = await client.refresh(0)
    assert reply.kind is Kind.SUCCESS
    assert reply.lifetime_s == 0
    client.send_channel(0x4000, b"out")
    peer.send(b"in", relayed)
    assert (await client.permit(peer.host)).error == 437
    assert await peer.nothing()
    assert await client.nothing()
    await client.allocated()


async def test_an_allocation_that_nobody_refreshes_ends(start_relay: StartRelay) -> None:
    relay = start_relay(allocation_lifetime_s=2, allocation_lifetime_s_max=4)
    open_before = relay.descriptors()
    left, kept = await relay.client(), await relay.client()
    await left.allocated()
    await kept.allocated()
    assert relay.descriptors() == open_before + 2
    async with asyncio.timeout(30):
        while (await left.permit(("11.1.6.1", 1))).error is None:
            assert (await kept.refresh(4)).kind is Kind.SUCCESS
            await asyncio.sleep(0.1)
        while relay.descriptors() != open_before + 1:
            assert (await kept.refresh(4)).kind is Kind.SUCCESS
            await asyncio.sleep(0.1)
    assert (await kept.permit(("11.1.6.1", 1))).kind is Kind.SUCCESS


async def test_a_lifetime_beyond_the_maximum_is_cut(relay: Relay) -> None:
    client = await relay.client()
    reply = await client.allocate(lifetime_s=2**32 - 1)
    assert 600 <= reply.lifetime_s <= 3600
    assert (await client.refresh(2**32 - 1)).lifetime_s <= 3600


async def test_two_clients_are_two_allocations(relay: Relay) -> None:
    """The same port number from two addresses, and two ports of one address."""
    clients = [
        await relay.client(host, port)
        for host, port in (("11.1.7.1", 7000), ("11.1.7.2", 7000), ("11.1.7.1", 7001))
    ]
    relayed = [await client.allocated() for client in clients]
    assert len(set(relayed)) == 3
    peer = await relay.peer()
    for client in clients:
        assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    for number, at in enumerate(relayed):
        peer.send(b"%d" % number, at)
    for number, client in enumerate(clients):
        assert await client.data() == (peer.host, b"%d" % number)


@pytest.mark.parametrize(
    ("attributes", "errors"),
    [
        ([], {400}),
        ([(int(Attr.REQUESTED_TRANSPORT), b"\x06\0\0\0")], {442}),
        ([(int(Attr.REQUESTED_TRANSPORT), b"\x11")], {400}),
        ([ALLOCATE, FAMILY_6], {440}),
        ([ALLOCATE, (0x7F00, b"")], {420}),
        ([ALLOCATE, (int(Attr.LIFETIME), b"\0")], {400}),
    ],
    ids=["no transport", "TCP", "short transport", "IPv6", "unknown", "short lifetime"],
)
async def test_an_allocate_that_asks_for_what_there_is_not(
    relay: Relay, attributes: list[wire.Attribute], errors: set[int]
) -> None:
    client = await relay.client()
    reply = await client.ask(Method.ALLOCATE, attributes)
    assert reply.error in errors
    if reply.error == 420:
        assert reply.need(Attr.UNKNOWN_ATTRIBUTES) == b"\x7f\0"
    await client.allocated()


async def test_an_unknown_optional_attribute_is_ignored(relay: Relay) -> None:
    await (await relay.client()).allocated((0xFF00, b"whatever"))


async def test_a_client_that_went_away_costs_the_others_nothing(relay: Relay) -> None:
    """Its port answers with ICMP errors from then on."""
    gone, kept, peer = await relay.client(), await relay.client(), await relay.peer()
    to_gone, to_kept = await gone.allocated(), await kept.allocated()
    for client in (gone, kept):
        assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    gone.close()
    await asyncio.sleep(0)
    for number in range(50):
        peer.send(b"into the void", to_gone)
        peer.send(b"%d" % number, to_kept)
        assert await kept.data() == (peer.host, b"%d" % number)


async def test_a_peer_that_went_away_harms_nothing(relay: Relay) -> None:
    client = await relay.client()
    gone, peer = await relay.peer(), await relay.peer()
    relayed, absent = await client.allocated(), gone.host
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    gone.close()
    await asyncio.sleep(0)
    for number in range(50):
        client.send_indication(absent, b"into the void")
        client.send_indication((WORLD, 1), b"into the void")
        client.send_indication(peer.host, b"%d" % number)
        assert await peer.receive() == (b"%d" % number, relayed)
