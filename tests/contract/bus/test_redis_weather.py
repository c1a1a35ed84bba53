"""The bus when Redis is away, restarts, hangs or carries nonsense."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from backplane.bus import listener_redis
from backplane.bus.open import open_bus
from backplane.bus.ports import Displaced
from backplane.errors import Unavailable
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics
from ringline.protocol.types import Address
from tests.conftest import RedisServer
from tests.contract.bus.conftest import Station, until

MESSAGE = Displaced(address=Address(uuid4(), 1), fence=7)
DEADLINE_MS = 1_500


def station(server: RedisServer, outgoing_messages_max: int = 10_000) -> Station:
    metrics = Metrics()
    settings = RegistrySettings(
        url=server.url,
        deadline_ms=DEADLINE_MS,
        bus_outgoing_messages_max=outgoing_messages_max,
        bus_reconnect_s_max=0.2,
    )
    return Station(open_bus(settings, metrics), metrics)


@pytest.fixture
async def node(own_redis: RedisServer) -> AsyncIterator[Station]:
    node = station(own_redis)
    await node.start("a")
    assert node.gaps == 1  # start has waited for the subscription
    yield node
    await node.bus.shut()


async def test_a_restart_is_a_gap_and_then_all_is_well(
    own_redis: RedisServer, node: Station
) -> None:
    own_redis.kill()
    with pytest.raises(Unavailable):
        await node.bus.tell(["a"], MESSAGE)
    own_redis.start()
    await until(lambda: node.gaps == 2)
    await node.bus.tell(["a"], MESSAGE)
    assert await node.hears(1) == [MESSAGE]
    assert node.count("bus_gaps") == 2


async def test_a_cut_connection_is_a_gap(own_redis: RedisServer, node: Station) -> None:
    own_redis.tell("CLIENT KILL TYPE pubsub")
    await until(lambda: node.gaps == 2)
    await node.bus.tell_all(MESSAGE)
    assert await node.hears(1) == [MESSAGE]


async def test_it_starts_while_redis_is_away(own_redis: RedisServer) -> None:
    own_redis.kill()
    node = station(own_redis)
    start = time.monotonic()
    await node.start("a")
    assert time.monotonic() - start < DEADLINE_MS / 1000 + 0.5
    assert node.gaps == 0
    own_redis.start()
    await until(lambda: node.gaps == 1)
    await node.bus.shut()


async def test_a_hung_redis_is_noticed_in_silence(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_redis, "PING_INTERVAL_S", 0.1)
    node = station(own_redis)
    await node.start("a")
    own_redis.send(signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(Unavailable):
        await node.bus.tell(["a"], MESSAGE)
    assert time.monotonic() - start < DEADLINE_MS / 1000 + 0.5
    await asyncio.sleep(2 * DEADLINE_MS / 1000)  # the silence itself
    own_redis.send(signal.SIGCONT)
    await until(lambda: node.gaps == 2)
    await node.bus.shut()


async def test_a_quiet_connection_is_kept(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_redis, "PING_INTERVAL_S", 0.02)
    node = station(own_redis)
    await node.start("a")

    def pings() -> int:
        stats = own_redis.tell("INFO commandstats").decode()
        found = [line for line in stats.splitlines() if line.startswith("cmdstat_ping:")]
        return int(found[0].split("calls=")[1].split(",")[0]) if found else 0

    before = pings()
    await until(lambda: pings() >= before + 5)
    assert node.gaps == 1
    await node.bus.tell(["a"], MESSAGE)
    assert await node.hears(1) == [MESSAGE]
    await node.bus.shut()


async def test_nonsense_is_dropped_and_counted(own_redis: RedisServer, node: Station) -> None:
    own_redis.tell("PUBLISH ringline:bus:all nonsense")
    own_redis.tell("PUBLISH ringline:bus:node:a x")
    await node.bus.tell(["a"], MESSAGE)
    assert await node.hears(1) == [MESSAGE]
    assert node.count("bus_dropped", reason="malformed") == 2


async def test_what_waits_to_go_out_is_bounded(own_redis: RedisServer) -> None:
    node = station(own_redis, outgoing_messages_max=10)
    await node.bus.tell(["a"], MESSAGE)
    own_redis.send(signal.SIGSTOP)
    try:
        results = await asyncio.gather(
            *(node.bus.tell(["a"], MESSAGE) for _ in range(30)), return_exceptions=True
        )
    finally:
        own_redis.send(signal.SIGCONT)
    assert [type(result) for result in results] == [Unavailable] * 30
    assert node.count("bus_dropped", reason="outgoing-full") == 20
    await until(lambda: own_redis.tell("PING") == b"+PONG\r\n")
    await node.bus.tell(["a"], MESSAGE)
    await node.bus.shut()


async def test_many_messages_share_round_trips(own_redis: RedisServer, node: Station) -> None:
    await asyncio.gather(*(node.bus.tell(["a"], MESSAGE) for _ in range(1000)))
    assert await node.hears(1000) == [MESSAGE] * 1000
