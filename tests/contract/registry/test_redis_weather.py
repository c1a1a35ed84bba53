"""The registry when Redis is killed, flushed, stopped, full or misused."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from backplane.errors import Unavailable
from backplane.registry.open import open_registry
from backplane.registry.ports import Budget, Challenge, Grant, Node, Registry
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics
from ringline.protocol.types import Address
from tests.conftest import RedisServer

PHONE = Address(uuid4(), 1)
DEADLINE_S = 2.0


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def registry(own_redis: RedisServer, metrics: Metrics) -> AsyncIterator[Registry]:
    registry = open_registry(RegistrySettings(url=own_redis.url, connections_max=4), metrics)
    yield registry
    await registry.shut()


def errors(metrics: Metrics, call: str) -> float:
    value = metrics.registry.get_sample_value("ringline_registry_errors_total", {"call": call})
    return value or 0.0


async def test_a_killed_redis_fails_fast_and_is_used_again_when_it_returns(
    own_redis: RedisServer, registry: Registry, metrics: Metrics
) -> None:
    lease, _ = await registry.presence.acquire(PHONE, "node-a", "s1")
    await asyncio.gather(*(registry.probe() for _ in range(20)))  # every connection was in use
    own_redis.kill()
    for _ in range(5):
        with pytest.raises(Unavailable):
            await registry.presence.locate([PHONE])
    assert errors(metrics, "locate") == 5
    own_redis.start()
    assert await registry.presence.locate([PHONE]) == [None]
    assert await registry.presence.renew([lease]) == [True]  # its script was forgotten, too
    [found] = await registry.presence.locate([PHONE])
    assert found is not None
    assert (found.node, found.session, found.fence) == ("node-a", "s1", lease.fence)


async def test_a_flush_takes_leases_until_they_are_renewed_and_no_fence_back(
    own_redis: RedisServer, registry: Registry
) -> None:
    stale, _ = await registry.presence.acquire(PHONE, "node-a", "s1")
    lease, _ = await registry.presence.acquire(PHONE, "node-b", "s2")
    own_redis.tell("FLUSHALL")
    assert await registry.presence.locate([PHONE]) == [None]
    # The displaced one asks first: it may come back for now, but gives way to the newer.
    assert await registry.presence.renew([stale, lease]) == [True, True]
    assert await registry.presence.renew([stale]) == [False]
    own_redis.tell("FLUSHALL")
    newest, displaced = await registry.presence.acquire(PHONE, "node-c", "s3")
    assert displaced is None
    assert newest.fence > lease.fence > stale.fence
    assert await registry.presence.renew([lease]) == [False]


async def test_forgotten_scripts_are_loaded_again_within_a_pipeline(
    own_redis: RedisServer, registry: Registry
) -> None:
    leases = [(await registry.presence.acquire(Address(uuid4(), 1), "n", "s"))[0] for _ in "abc"]
    own_redis.tell("SCRIPT FLUSH")
    assert await registry.presence.renew(leases) == [True] * 3
    own_redis.tell("SCRIPT FLUSH")
    assert await registry.limits.spend([Budget("b", 1, 60)]) is None
    assert await registry.limits.spend([Budget("b", 1, 60)]) is not None  # spent once, not twice


async def test_a_stopped_redis_costs_the_deadline_and_no_more(
    own_redis: RedisServer, registry: Registry
) -> None:
    await registry.probe()
    own_redis.send(signal.SIGSTOP)
    start = time.monotonic()
    try:
        results = await asyncio.gather(
            *(registry.presence.acquire(PHONE, "node-a", f"s{n}") for n in range(20)),
            return_exceptions=True,
        )
        spent_s = time.monotonic() - start
    finally:
        own_redis.send(signal.SIGCONT)
    assert [type(result) for result in results] == [Unavailable] * 20
    assert DEADLINE_S - 0.1 < spent_s < DEADLINE_S + 0.8
    lease, _ = await registry.presence.acquire(PHONE, "node-a", "after")
    [found] = await registry.presence.locate([PHONE])
    assert found is not None
    assert found.fence == lease.fence


async def test_an_answer_that_came_too_late_is_nobody_elses(
    own_redis: RedisServer, registry: Registry
) -> None:
    """The connections that were waited on are not reused with their late answers inside."""
    await registry.limits.spend([Budget("warm", 100, 60)])
    own_redis.send(signal.SIGSTOP)
    calls = [asyncio.create_task(registry.presence.locate([PHONE])) for _ in range(4)]
    _, waiting = await asyncio.wait(calls, timeout=0.2)
    for call in waiting:
        call.cancel()
    own_redis.send(signal.SIGCONT)
    await asyncio.gather(*calls, return_exceptions=True)
    answers = await asyncio.gather(*(registry.limits.spend([Budget("k", 3, 60)]) for _ in range(9)))
    assert sum(answer is None for answer in answers) == 3


async def test_connections_are_limited(own_redis: RedisServer, registry: Registry) -> None:
    await asyncio.gather(*(registry.presence.locate([PHONE]) for _ in range(200)))
    clients = own_redis.tell("CLIENT LIST").count(b"cmd=evalsha")
    assert 1 <= clients <= 4


async def test_a_full_redis_is_unavailable(own_redis: RedisServer, registry: Registry) -> None:
    own_redis.tell("CONFIG SET maxmemory 1")
    with pytest.raises(Unavailable):
        await registry.presence.acquire(PHONE, "node-a", "s1")
    own_redis.tell("CONFIG SET maxmemory 0")
    await registry.presence.acquire(PHONE, "node-a", "s1")


async def test_a_refused_password_is_unavailable(
    own_redis: RedisServer, registry: Registry
) -> None:
    own_redis.tell("CONFIG SET requirepass secret")
    with pytest.raises(Unavailable):
        await registry.probe()


async def test_a_misuse_is_a_mistake_of_ours(own_redis: RedisServer, registry: Registry) -> None:
    own_redis.tell(f"SET ringline:presence:{{{PHONE.account}}} x")
    with pytest.raises(AssertionError, match="WRONGTYPE"):
        await registry.presence.locate([PHONE])


async def test_every_key_ends_by_itself(own_redis: RedisServer, registry: Registry) -> None:
    lease, _ = await registry.presence.acquire(PHONE, "node-a", "s1")
    await registry.presence.renew([lease])
    await registry.presence.release(lease, 1_795_000_000_000)
    await registry.tokens.put(b"t" * 32, Grant(PHONE, 1), 60_000)
    await registry.challenges.put(b"r" * 32, Challenge("+41445550123", b"c", 5), 60_000)
    await registry.challenges.attempt(b"r" * 32, b"x")
    await registry.links.put(b"l" * 32, PHONE.account, 60_000)
    await registry.limits.spend([Budget("b", 5, 60)])
    await registry.limits.spend_distinct(Budget("b", 5, 60), [b"m"])
    await registry.nodes.announce(Node("g-1", "gateway", "a", 0.0), 60_000)
    keys = [line for line in own_redis.tell("KEYS *").split(b"\r\n") if line.startswith(b"ring")]
    assert len(keys) == 11
    for key in keys:
        lifetime_ms = int(own_redis.tell(f"PTTL {key.decode()}")[1:])
        assert 0 < lifetime_ms <= 90 * 24 * 3600 * 1000, key


async def test_prefixes_keep_two_installations_apart(
    own_redis: RedisServer, registry: Registry
) -> None:
    other = open_registry(RegistrySettings(url=own_redis.url, key_prefix="second"))
    await registry.presence.acquire(PHONE, "node-a", "s1")
    assert await other.presence.locate([PHONE]) == [None]
    await other.shut()
