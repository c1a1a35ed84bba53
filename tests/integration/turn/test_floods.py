"""Requests without credentials: what they cost the relay, its users and third parties (T7, T8)."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.turn import wire
from tests.integration.turn.client import Client, Port
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.networks import Namespace, Networks
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Attr, Kind, Method

FLOOD: Final = Path(__file__).with_name("flood.py")
ALLOCATE: Final = wire.encode(
    Method.ALLOCATE,
    Kind.REQUEST,
    [(Attr.REQUESTED_TRANSPORT, wire.UDP), (Attr.LIFETIME, (600).to_bytes(4, "big"))],
    transaction=b"a flood here",
)
"""36 bytes."""
GROWTH_KIB_MAX: Final = 16 * 1024
STREAM_PER_S: Final = 50
REPLIES_PER_S_MAX: Final = 100
AMPLIFICATION_MAX: Final = 2.5
SETTLE_S_MAX: Final = 3.0
LOST_MAX: Final = 0.01
LOST_MAX_SHORT: Final = 0.05
"""Of the short runs: one packet is more than 1 % of a second's, and the machine may be busy."""


async def flood(
    world: Namespace,
    relay: Relay,
    payload: bytes,
    *,
    rate_per_s: int,
    seconds: float,
    addresses: int = 0,
    ports: int = 1,
) -> dict[str, Any]:
    """What flood.py counted. In a process of its own, so that nobody here waits for it."""
    host, port = relay.bound
    arguments = [host, port, payload.hex(), rate_per_s, seconds, addresses, ports]
    process = await asyncio.create_subprocess_exec(
        *world.inside(sys.executable, str(FLOOD), *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds + 30):
        out, _ = await process.communicate()
    counted: dict[str, Any] = json.loads(out)
    return counted


@dataclass(slots=True)
class Stream:
    """An allocation in use: 50 packets a second each way."""

    sent: int = 0
    out: int = 0
    back: int = 0
    allocations_s: list[float] = field(default_factory=list)

    @property
    def lost(self) -> float:
        return 1 - min(self.out, self.back) / self.sent


@asynccontextmanager
async def streaming(relay: Relay) -> AsyncIterator[Stream]:
    """Counts while the body runs; complete when it is left."""
    client, peer = await relay.client("11.1.200.1"), await relay.peer("11.1.200.2")
    relayed = await client.allocated()
    assert (await client.bind(0x4000, peer.host)).kind is Kind.SUCCESS
    stream = Stream()
    pace = asyncio.create_task(_pace(stream, client, peer, relayed))
    try:
        yield stream
    finally:
        pace.cancel()
        await asyncio.gather(pace, return_exceptions=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S_MAX):
            while min(peer.arrived.qsize(), client.arrived.qsize()) < stream.sent:
                await client.fence()
    stream.out, stream.back = peer.arrived.qsize(), client.arrived.qsize()
    client.close()
    peer.close()


async def _pace(stream: Stream, client: Client, peer: Port, relayed: wire.Host) -> None:
    while True:
        client.send_channel(0x4000, bytes(200))
        peer.send(bytes(200), relayed)
        stream.sent += 1
        await asyncio.sleep(1 / STREAM_PER_S)


async def newcomers(relay: Relay, stream: Stream, seconds: float, pause_s: float) -> None:
    """One after the other: from the first request to the allocation, challenge and all."""
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
        number += 1
        client = await relay.client(f"11.1.{201 + number // 250}.{1 + number % 250}")
        began = time.monotonic()
        await client.allocated()
        stream.allocations_s.append(time.monotonic() - began)
        client.close()
        await asyncio.sleep(pause_s)


async def weather(
    start_relay: StartRelay, nets: Networks, rate_per_s: int, seconds: float, ports: int
) -> tuple[Stream, int]:
    """Everything of T7 at once: the stream's fate, and the growth of the relay's memory in KiB."""
    relay = start_relay(allocations_max=60_000, relayed_port_min=20_000)
    await asyncio.gather(*[(await relay.client()).challenge() for _ in range(20)])
    async with streaming(relay) as warm:
        await newcomers(relay, warm, 0.5, 0.05)
    before = relay.rss_kib()
    async with streaming(relay) as stream:
        counted, _ = await asyncio.gather(
            flood(
                nets.world, relay, ALLOCATE,
                rate_per_s=rate_per_s, seconds=seconds, addresses=300, ports=ports,
            ),
            newcomers(relay, stream, seconds, 0.1),
        )  # fmt: skip
    assert counted["sent"] >= rate_per_s * seconds * 0.8, "the flood itself was slow"
    return stream, relay.rss_kib() - before


async def test_a_flood_from_many_sources_takes_no_memory(
    start_relay: StartRelay, nets: Networks
) -> None:
    """30,000 Allocates from 3,000 sources. Times are left to the long proof, on a quiet machine."""
    stream, growth_kib = await weather(start_relay, nets, 7_500, 4, 10)
    assert growth_kib <= GROWTH_KIB_MAX
    assert stream.lost <= LOST_MAX_SHORT
    assert len(stream.allocations_s) >= 3


@pytest.mark.slow
async def test_a_long_flood_from_many_sources_costs_nobody_anything(
    start_relay: StartRelay, nets: Networks
) -> None:
    """300,000 Allocates from 30,000 sources in 30 s."""
    stream, growth_kib = await weather(start_relay, nets, 10_000, 30, 100)
    assert growth_kib <= GROWTH_KIB_MAX
    assert stream.lost < LOST_MAX
    times = sorted(stream.allocations_s)
    assert times[int(len(times) * 0.99)] < 0.5


async def test_a_challenge_is_small_and_says_nothing_of_the_software(relay: Relay) -> None:
    client = await relay.client()
    assert len(ALLOCATE) == 36
    reply = await client.exchange(ALLOCATE)
    assert reply.error == 401
    assert len(reply.raw) <= AMPLIFICATION_MAX * len(ALLOCATE)
    assert reply.get(Attr.SOFTWARE) is None


def forged() -> bytes:
    """Everything that a signed request has, made up."""
    attributes = [
        (int(Attr.REQUESTED_TRANSPORT), wire.UDP),
        (int(Attr.USERNAME), b"1:2:3:4"),
        (int(Attr.REALM), b"ringline"),
        (int(Attr.NONCE), b"made up"),
    ]
    return wire.encode(
        Method.ALLOCATE, Kind.REQUEST, attributes, transaction=b"a flood here", key=bytes(16)
    )


PROVOKING: Final = {
    "challenge": ALLOCATE,
    "forged integrity": forged(),
    "unknown attribute": wire.encode(
        Method.BINDING, Kind.REQUEST, [(0x7F00, b"")], transaction=b"a flood here"
    ),
    "binding": wire.encode(Method.BINDING, Kind.REQUEST, transaction=b"a flood here"),
}


async def reflected(
    start_relay: StartRelay, nets: Networks, payload: bytes, seconds: float, lost_max: float
) -> None:
    """5,000 a second from one source: at most 100 replies a second, and nobody else notices."""
    relay = start_relay()
    async with streaming(relay) as stream:
        counted, _ = await asyncio.gather(
            flood(nets.world, relay, payload, rate_per_s=5_000, seconds=seconds),
            newcomers(relay, stream, seconds, 0.05),
        )
    assert counted["sent"] >= 5_000 * seconds * 0.8, "the flood itself was slow"
    assert 0 < counted["replies_per_s_max"] <= REPLIES_PER_S_MAX
    assert counted["reply_bytes_max"] <= AMPLIFICATION_MAX * max(36, len(payload))
    assert stream.lost <= lost_max
    assert len(stream.allocations_s) >= 3
    assert relay.metric("ringline_relay_challenges_dropped_total") > 0


@pytest.mark.parametrize("kind", PROVOKING)
async def test_a_flood_from_one_source_is_hardly_answered(
    start_relay: StartRelay, nets: Networks, kind: str
) -> None:
    await reflected(
        start_relay, nets, PROVOKING[kind], 2 if kind == "challenge" else 1, LOST_MAX_SHORT
    )


@pytest.mark.slow
async def test_a_long_flood_from_one_source_is_hardly_answered(
    start_relay: StartRelay, nets: Networks
) -> None:
    await reflected(start_relay, nets, ALLOCATE, 10, LOST_MAX)


async def test_everybody_together_has_a_budget_too(start_relay: StartRelay, nets: Networks) -> None:
    """So that a thousand victims at once are no better a target than one."""
    relay = start_relay(challenges_per_s=100)
    await flood(nets.world, relay, ALLOCATE, rate_per_s=5_000, seconds=2, addresses=300, ports=1)
    assert relay.metric("ringline_relay_challenges_dropped_total") > 8_000
