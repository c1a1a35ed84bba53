"""No reply carries anything that was in the memory before (T13)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.integration.turn import wire
from tests.integration.turn.client import Client
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Attr, Attribute, Host, Kind, Message, Method

ROUNDS = 250
CLIENTS = 4
FILL = b"\xa5"
"""What the requests' own padding holds: it must not come back."""


def plain(method: Method, attributes: list[Attribute]) -> bytes:
    return wire.encode(
        method, Kind.REQUEST, attributes, transaction=wire.new_transaction(), pad=FILL
    )


def requests(client: Client, peer: Host, number: int) -> list[bytes]:
    """One for every kind of answer; odd lengths, so that there is something to pad."""
    transaction = wire.new_transaction()
    address = (int(Attr.XOR_PEER_ADDRESS), wire.address(peer, transaction))
    second = wire.new_transaction()
    other = wire.address(peer, second)
    channel = (int(Attr.CHANNEL_NUMBER), wire.channel_number(0x3000))
    unknown = [(0x7F00 + n, b"?" * (number % 4)) for n in range(1 + number % 3)]
    return [
        plain(Method.BINDING, [(0xFF00, b"odd" * (number % 5))]),
        plain(Method.BINDING, unknown),
        plain(Method.ALLOCATE, [(int(Attr.REQUESTED_TRANSPORT), wire.UDP)]),
        client.signed(Method.ALLOCATE, [(int(Attr.REQUESTED_TRANSPORT), wire.UDP)]),
        client.signed(Method.REFRESH),
        client.signed(Method.REFRESH, nonce=b"stale"),
        client.signed(Method.CREATE_PERMISSION, [address], transaction=transaction),
        client.signed(Method.CREATE_PERMISSION),
        client.signed(
            Method.CHANNEL_BIND, [channel, (Attr.XOR_PEER_ADDRESS, other)], transaction=second
        ),
        client.signed(Method.REFRESH, unknown),
    ]


async def all_answers(client: Client, make: Callable[[int], list[bytes]]) -> None:
    """In small bursts: what is asked at once fits the sockets' buffers."""
    for number in range(ROUNDS):
        await asyncio.gather(*(client.exchange(request) for request in make(number)))


async def test_ten_thousand_replies_have_zeros_for_padding(relay: Relay) -> None:
    clients = [await relay.client() for _ in range(CLIENTS)]
    peer = await relay.peer()
    relayed = [await client.allocated() for client in clients]
    await asyncio.gather(
        *(all_answers(client, partial(requests, client, peer.host)) for client in clients)
    )
    for client, at in zip(clients, relayed, strict=True):
        for number in range(20):
            peer.send(b"x" * (2 * number + 1), at)
        while sum(reply.method == Method.DATA for reply in client.replies) < 20:
            await client.data()
    assert_clean([reply for client in clients for reply in client.replies])


def assert_clean(replies: list[Message]) -> None:
    kinds = Counter((reply.method, reply.kind, reply.error) for reply in replies)
    assert sum(kinds.values()) >= 10_000
    assert len(kinds) >= 10, kinds
    dirty = [reply for reply in replies if reply.padding.strip(b"\0")]
    assert dirty == []
    assert sum(len(reply.padding) for reply in replies) > 1_000, "nothing was padded"
    assert all(reply.get(Attr.SOFTWARE) is None for reply in replies if reply.error == 401)
