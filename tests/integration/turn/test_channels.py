"""Channel numbers and bindings, RFC 8656 §12 (T15)."""

import pytest

from tests.integration.turn import wire
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Attr, Kind, Method


@pytest.mark.parametrize("number", [0x0000, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF])
async def test_a_number_out_of_range_is_a_bad_request(relay: Relay, number: int) -> None:
    client, peer = await relay.client(), await relay.peer()
    await client.allocated()
    assert (await client.bind(number, peer.host)).error == 400
    client.send_channel(number, b"all the same")
    await client.fence()
    assert await peer.nothing()


@pytest.mark.parametrize("number", [0x4000, 0x4FFF])
async def test_the_ends_of_the_range_carry_data(relay: Relay, number: int) -> None:
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    assert (await client.bind(number, peer.host)).kind is Kind.SUCCESS
    client.send_channel(number, b"out")
    assert await peer.receive() == (b"out", relayed)
    peer.send(b"in", relayed)
    assert await client.data() == (number, b"in")


async def test_a_number_has_one_peer_and_a_peer_one_number(relay: Relay) -> None:
    client, peer, other = await relay.client(), await relay.peer(), await relay.peer()
    relayed = await client.allocated()
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
    assert (await client.bind(0x4000, other.host)).error == 400
    assert (await client.bind(0x4001, peer.host)).error == 400
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS, "a refresh is allowed"
    client.send_channel(0x4001, b"on no channel")
    client.send_channel(0x4000, b"unharmed")
    assert await peer.receive() == (b"unharmed", relayed)
    assert await other.nothing()


async def test_a_binding_ends_and_its_number_is_free_again(start_relay: StartRelay) -> None:
    relay = start_relay(channel_lifetime_s=1, permission_lifetime_s=1)
    client, peer, other = await relay.client(), await relay.peer(), await relay.peer()
    await client.allocated()
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
    while (reply := await client.bind(0x4000, other.host)).kind is not Kind.SUCCESS:
        assert reply.error == 400
    client.send_channel(0x4000, b"rebound")
    assert (await other.receive())[0] == b"rebound"


async def test_the_count_of_channels_is_limited(start_relay: StartRelay) -> None:
    relay = start_relay(channels_per_allocation_max=3)
    client, peers = await relay.client(), [await relay.peer() for _ in range(4)]
    await client.allocated()
    replies = [await client.bind(0x4000 + n, peer.host) for n, peer in enumerate(peers)]
    assert [reply.kind for reply in replies[:3]] == [Kind.SUCCESS] * 3
    assert replies[3].error in (486, 508)
    for number, peer in enumerate(peers[:3]):
        client.send_channel(0x4000 + number, b"%d" % number)
        assert (await peer.receive())[0] == b"%d" % number


async def test_a_bind_without_number_or_peer_is_a_bad_request(relay: Relay) -> None:
    client, peer = await relay.client(), await relay.peer()
    await client.allocated()
    number = (int(Attr.CHANNEL_NUMBER), wire.channel_number(0x4000))
    transaction = wire.new_transaction()
    address = (int(Attr.XOR_PEER_ADDRESS), wire.address(peer.host, transaction))
    for attributes in ([number], [address], []):
        request = client.signed(Method.CHANNEL_BIND, attributes, transaction=transaction)
        assert (await client.exchange(request)).error == 400
        transaction = wire.new_transaction()
        address = (int(Attr.XOR_PEER_ADDRESS), wire.address(peer.host, transaction))


@pytest.mark.parametrize("claimed", [0, 3, 1000, 65535])
async def test_channel_data_of_another_length_is_not_believed(relay: Relay, claimed: int) -> None:
    """RFC 8656 §12.6: longer than the datagram: dropped; shorter: the rest is padding."""
    client, peer = await relay.client(), await relay.peer()
    await client.allocated()
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
    client.tell(b"\x40\x00" + claimed.to_bytes(2, "big") + b"abcd")
    client.send_channel(0x4000, b"next")
    first, _ = await peer.receive()
    assert first == (b"abcd"[:claimed] if claimed <= 4 else b"next")
