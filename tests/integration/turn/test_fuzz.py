"""Malformed datagrams at the live port, while somebody uses it (T12)."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice

import pytest

from tests.fuzz.datagrams import all_seeds, mutated, mutated_attributes, turn_attributes
from tests.integration.turn import wire
from tests.integration.turn.client import Client, Port
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.relay import ROOMY, Relay
from tests.integration.turn.wire import Attr, Kind, Method

BURST = 50
SIGNED_SHARE = 5
"""One in so many is signed with a good key, and damaged in what it says."""


class Witness:
    """A client with a permission and a channel that uses both between the bursts."""

    def __init__(self, client: Client, peer: Port, relayed: wire.Host) -> None:
        self._client = client
        self._peer = peer
        self._relayed = relayed
        self.rounds = 0

    @classmethod
    async def at(cls, relay: Relay) -> "Witness":
        client, peer = await relay.client("11.1.210.1"), await relay.peer("11.1.210.2")
        witness = cls(client, peer, await client.allocated())
        await witness.renew()
        return witness

    async def renew(self) -> None:
        assert (await self._client.refresh(600)).kind is Kind.SUCCESS
        assert (await self._client.permit(self._peer.host)).kind is Kind.SUCCESS
        assert (await self._client.bind(0x4000, self._peer.host)).kind is Kind.SUCCESS

    async def all_is_well(self) -> None:
        """Nothing lost, nothing changed, nothing besides, both ways."""
        self.rounds += 1
        self._client.send_channel(0x4000, b"channel %d" % self.rounds)
        self._client.send_indication(self._peer.host, b"send %d" % self.rounds)
        for name in (b"channel", b"send"):
            expected = (b"%s %d" % (name, self.rounds), self._relayed)
            assert await self._peer.receive() == expected
        self._peer.send(b"back %d" % self.rounds, self._relayed)
        assert await self._client.data() == (0x4000, b"back %d" % self.rounds)
        if self.rounds % 100 == 0:
            await self.renew()


class Attacker:
    """Two sockets: one that nobody knows, one with a good credential and an allocation."""

    def __init__(self, stranger: Client, insider: Client, seed: int) -> None:
        self._stranger = stranger
        self._insider = insider
        self._dice = random.Random(seed)
        self._datagrams = mutated(seed, all_seeds())
        self._attributes = mutated_attributes(seed, turn_attributes())

    def burst(self) -> Iterator[tuple[Port, bytes]]:
        for _ in range(BURST):
            if self._dice.randrange(SIGNED_SHARE) == 0:
                yield self._insider, self._signed()
            else:
                yield self._dice.choice((self._insider, self._stranger)), next(self._datagrams)

    def _signed(self) -> bytes:
        """Most with the good credentials first: of two attributes of a kind the first one counts."""
        who = self._insider.credential
        parts = [
            [
                (int(Attr.USERNAME), who.username.encode()),
                (int(Attr.REALM), self._insider.realm.encode()),
                (int(Attr.NONCE), self._insider.nonce),
            ],
            next(self._attributes),
        ]
        if self._dice.random() < 0.2:
            parts.reverse()
        return wire.encode(
            self._dice.choice(list(Method)),
            self._dice.choice((Kind.REQUEST, Kind.REQUEST, *Kind)),
            [*parts[0], *parts[1]],
            transaction=wire.new_transaction(),
            key=self._insider.key,
            fingerprint=self._dice.random() < 0.5,
        )


@asynccontextmanager
async def attacked(relay: Relay, seed: int) -> AsyncIterator[tuple[Attacker, Witness]]:
    print(f"seed {seed}")
    witness = await Witness.at(relay)
    stranger, insider = await relay.client("11.1.211.1"), await relay.client("11.1.212.1")
    await insider.allocated()
    yield Attacker(stranger, insider, seed), witness
    for client in (stranger, insider):
        client.close()


async def bombard(relay: Relay, count: int, seed: int) -> None:
    async with attacked(relay, seed) as (attacker, witness):
        for _ in range(count // BURST):
            for port, data in attacker.burst():
                port.send(data, relay.bound)
            await witness.all_is_well()
            assert relay.alive()
        await (await relay.client()).allocated()
    assert relay.errors() == []
    read = relay.metric("ringline_relay_dropped_total") + relay.metric(
        "ringline_relay_refused_total"
    )
    assert read > count / 2, "most of them were read, and refused one way or another"


async def test_fifty_thousand_malformed_datagrams_harm_nobody(
    start_relay: StartRelay,
) -> None:
    """The seed is printed: pytest shows it with a failure, and it replays the datagrams."""
    await bombard(start_relay(**ROOMY), 50_000, random.randrange(2**32))


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_million_malformed_datagrams_harm_nobody(start_relay: StartRelay) -> None:
    await bombard(start_relay(**ROOMY), 1_000_000, random.randrange(2**32))


async def test_whatever_a_peer_sends_arrives_as_it_was(relay: Relay) -> None:
    """The relay does not look into what it relays: malformed datagrams are data like any other."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    client, peer = await relay.client(), await relay.peer()
    relayed = await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    for data in islice(mutated(seed, all_seeds()), 2_000):
        peer.send(data, relayed)
        assert await client.data() == (peer.host, data)


async def test_a_datagram_of_the_largest_size_harms_nobody(relay: Relay) -> None:
    witness = await Witness.at(relay)
    attacker = await relay.client()
    for size in (65_507, 65_000, 32_768, 9_000):
        attacker.tell(b"\x40\x00" + (size - 4).to_bytes(2, "big") + bytes(size - 4))
        attacker.tell(b"\x00\x03" + (size - 20 & 0xFFFC).to_bytes(2, "big") + bytes(size - 4))
        await asyncio.sleep(0)
        await witness.all_is_well()
