"""Whom the relay refuses to send to, whatever way it is asked (T1)."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.integration.turn.canary import Canary, canary
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.networks import NODE_6, NODE_PRIVATE, WORLD, WORLD_6, Networks
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Kind

LOOPBACK: Final = ("127.0.0.1", "127.9.9.9", "0.0.0.0")
LOOPBACK_6: Final = ("::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0")
NEVER: Final = (
    NODE_PRIVATE,
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "192.0.2.1",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)
NEVER_6: Final = (
    "::ffff:10.9.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a09:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::1",
    "2002:a09:1::1",
    "2001::1",
    "2001:db8::1",
    "100::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)


@pytest.fixture
async def bird(nets: Networks) -> AsyncIterator[Canary]:
    async with canary(nets.node) as listening:
        yield listening


async def test_the_canary_hears_what_reaches_it(bird: Canary) -> None:
    for address in (*LOOPBACK, *LOOPBACK_6, NODE_PRIVATE, NODE_6):
        assert await bird.hears(address), address
    assert await bird.silent()


async def every_way(relay: Relay, address: str, port: int, expected: set[int]) -> None:
    """CreatePermission, ChannelBind and Send (also after them), at an address that must be refused."""
    client = await relay.client(WORLD_6 if ":" in relay.bound[0] else WORLD)
    await client.allocated()
    peer = (address, port)
    client.send_indication(peer, b"first of all")
    assert (await client.permit(peer)).error in expected, address
    assert (await client.bind(0x4000, peer)).error in expected, address
    client.send_indication(peer, b"after a refusal")
    client.send_channel(0x4000, b"after a refusal")
    await client.fence()
    assert await client.nothing(0)
    assert (await client.refresh(0)).kind is Kind.SUCCESS
    client.close()


@pytest.mark.parametrize("address", [*LOOPBACK, *NEVER])
async def test_an_ipv4_peer_is_refused(relay: Relay, bird: Canary, address: str) -> None:
    await every_way(relay, address, bird.port, {403})
    assert await bird.silent()


@pytest.mark.parametrize("address", [*LOOPBACK_6, *NEVER_6])
async def test_an_ipv6_peer_is_refused_by_an_ipv4_allocation(
    relay: Relay, bird: Canary, address: str
) -> None:
    """403 for the address or 443 for its family (RFC 8656 §9.2): either is a refusal."""
    await every_way(relay, address, bird.port, {403, 443})
    assert await bird.silent()


async def test_a_relay_on_ipv6_refuses_the_same(start_relay: StartRelay, bird: Canary) -> None:
    """Here the family is right, so that only the address speaks against it."""
    relay = start_relay(host=NODE_6)
    for address in (*LOOPBACK_6, *NEVER_6):
        await every_way(relay, address, bird.port, {403})
    for address in LOOPBACK:
        await every_way(relay, address, bird.port, {403, 443})
    assert await bird.silent()


async def test_a_relay_on_ipv6_relays(start_relay: StartRelay) -> None:
    """So that the refusals above are not for want of ability."""
    relay = start_relay(host=NODE_6)
    client, peer = await relay.client(WORLD_6), await relay.peer(WORLD_6)
    relayed = await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    client.send_indication(peer.host, b"out")
    assert await peer.receive() == (b"out", relayed)
    peer.send(b"in", relayed)
    assert await client.data() == (peer.host, b"in")


async def test_one_bad_peer_refuses_the_whole_request(relay: Relay, bird: Canary) -> None:
    """RFC 8656 §9.2: no permission of the request is installed."""
    client, peer = await relay.client(), await relay.peer()
    await client.allocated()
    for peers in ([peer.host, ("127.0.0.1", bird.port)], [("127.0.0.1", bird.port), peer.host]):
        assert (await client.permit(*peers)).error == 403
        client.send_indication(peer.host, b"not permitted")
        await client.fence()
    assert await peer.nothing()
    assert await bird.silent()
