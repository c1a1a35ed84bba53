"""Two gateways on one Redis and one directory of SQLite files."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Codec
from ringline.protocol.types import PresenceState, TypingState
from signaling.settings import GatewaySettings
from tests.integration.conftest import speak
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.stage import Ground, Node, Person, until

SETTINGS = GatewaySettings(slow_poll_s=600)
"""So long that what arrives in these tests arrives by a wake-up."""


@dataclass
class Pair:
    first: Node
    second: Node
    ann: Person
    bob: Person


@pytest.fixture
async def pair(start_node: StartNode, durable_ground: Ground) -> AsyncIterator[Pair]:
    first = await start_node(durable_ground, SETTINGS)
    second = await start_node(replace(durable_ground), SETTINGS)
    ann, bob = await first.register("+447911200001"), await first.register("+447911200002")
    yield Pair(first, second, ann, bob)


async def test_messages_and_receipts_cross_nodes_in_order(pair: Pair, chosen: Codec) -> None:
    one = await pair.first.connect(pair.ann, chosen)
    other = await pair.second.connect(pair.bob, chosen)
    await other.expect(frames.CaughtUp)
    count = 100
    start = asyncio.get_running_loop().time()
    await one.send(*(pair.ann.write(pair.bob, str(index).encode()) for index in range(count)))
    bodies = []
    for _ in range(count):
        (delivered,) = await other.messages(1)
        assert isinstance(delivered.entry, frames.Message)
        bodies.append(delivered.entry.body)
        await other.send(frames.Acknowledge(positions=[delivered.position]))
    assert bodies == [str(index).encode() for index in range(count)]
    receipted = 0
    while receipted < count:
        delivered = await one.expect(frames.Deliver)
        assert isinstance(delivered.entry, frames.Receipt)
        receipted += len(delivered.entry.ids)
        await one.send(frames.Acknowledge(positions=[delivered.position]))
    assert asyncio.get_running_loop().time() - start < 5


async def test_d3_a_retry_on_another_node_is_the_same_message(pair: Pair) -> None:
    other = await pair.second.connect(pair.bob)
    one = await pair.first.connect(pair.ann)
    await one.send(sent := pair.ann.write(pair.bob))
    first = await one.expect(frames.Sent)
    await one.close()
    again = await pair.second.connect(pair.ann)
    await again.send(sent)
    assert await again.expect(frames.Sent) == first
    await again.send(pair.ann.write(pair.bob, b"next"))
    bodies = [d.entry.body for d in await other.messages(2) if isinstance(d.entry, frames.Message)]
    assert bodies == [b"hello", b"next"]


async def test_d5_order_is_kept_when_nodes_alternate(pair: Pair) -> None:
    one, other = await pair.first.connect(pair.ann), await pair.second.connect(pair.bob)
    for index in range(20):
        sent = pair.ann.write(pair.bob, str(index).encode())
        if index % 2:
            await one.send(sent)
            await one.expect(frames.Sent)
        else:
            body = {name: getattr(sent, name) for name in sent.__struct_fields__ if name != "ref"}
            answer = await pair.second.request("POST", "/v1/messages", body, pair.ann.token)
            assert answer.status == 201
    bodies = []
    for delivered in await other.messages(20):
        assert isinstance(delivered.entry, frames.Message)
        bodies.append(delivered.entry.body)
    assert bodies == [str(index).encode() for index in range(20)]


async def test_a_connection_elsewhere_replaces_this_one(pair: Pair) -> None:
    here = await pair.first.connect(pair.ann)
    there = await pair.second.connect(pair.ann)
    start = asyncio.get_running_loop().time()
    assert await here.expect_close() is CloseCode.REPLACED
    assert asyncio.get_running_loop().time() - start < 2
    bob = await pair.first.connect(pair.bob)
    await bob.send(pair.bob.write(pair.ann, b"to the new place"))
    assert len(await there.messages(1)) == 1
    (presence,) = await pair.first.messaging.registry.presence.presence([pair.ann.address.account])
    assert presence.online, "the older node's release has not ended the newer lease"


async def test_a_revocation_reaches_other_nodes_within_two_seconds(pair: Pair) -> None:
    tablet = await pair.first.link(pair.ann)
    wire = await pair.second.connect(tablet)
    start = asyncio.get_running_loop().time()
    path = f"/v1/devices/{tablet.address.device}"
    assert (await pair.first.request("DELETE", path, token=pair.ann.token)).status == 204
    assert await wire.expect_close() is CloseCode.DEVICE_REVOKED
    assert asyncio.get_running_loop().time() - start < 2
    for node in (pair.first, pair.second):
        assert (await node.request("GET", "/v1/account", token=tablet.token)).status == 401


async def test_a_number_registered_again_closes_the_old_device_elsewhere(pair: Pair) -> None:
    wire = await pair.second.connect(pair.ann)
    await pair.first.register("+447911200001")
    assert await wire.expect_close(2) is CloseCode.ACCOUNT_REPLACED


async def test_presence_and_typing_cross_nodes(pair: Pair) -> None:
    await pair.first.befriend(pair.ann, pair.bob)
    one = await pair.first.connect(pair.ann)
    await one.send(frames.Watch(ref=1, accounts=[pair.bob.address.account]))
    assert (await one.expect(frames.Presence)).state is PresenceState.OFFLINE
    other = await pair.second.connect(pair.bob)
    assert (await one.expect(frames.Presence)).state is PresenceState.ONLINE
    typing = frames.Typing(ref=1, conversation=pair.ann.address.account, state=TypingState.STARTED)
    await other.send(typing)
    assert (await one.expect(frames.TypingNotice)).sender == pair.bob.address
    await other.close()
    assert (await one.expect(frames.Presence)).state is PresenceState.OFFLINE


async def test_a_flushed_redis_loses_no_message_and_closes_nobody(
    pair: Pair, redis_socket: Path
) -> None:
    one, other = await pair.first.connect(pair.ann), await pair.second.connect(pair.bob)
    await other.expect(frames.CaughtUp)
    assert speak(redis_socket, b"FLUSHALL") == b"+OK\r\n"
    await one.send(pair.ann.write(pair.bob, b"across the flush"))
    await one.expect(frames.Sent)
    for node in (pair.first, pair.second):
        await node.gateway.renew_leases()
    await one.send(pair.ann.write(pair.bob, b"after it"))
    bodies = [d.entry.body for d in await other.messages(2) if isinstance(d.entry, frames.Message)]
    assert bodies == [b"across the flush", b"after it"]
    await until(lambda: pair.second.counted("leases_held") == 1)
