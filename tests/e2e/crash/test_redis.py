"""Redis is never the only copy: killed and flushed under load, it takes no message with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest.crowd import Crowd
from loadtest.enrolment import enrol, numbers
from loadtest.redis_wire import ask_redis
from loadtest.stack import Stack
from loadtest.wire import open_http

DEVICES = 20
MESSAGES_PER_S = 200
ROUNDS = 3
RECONNECTING = 6

Say = Callable[[str], None]


async def more_answers(crowd: Crowd, count: int) -> None:
    wanted = crowd.witness.answers + count
    await crowd.until(lambda: crowd.witness.answers >= wanted, 90, f"{count} more answers")


async def reconnect_some(crowd: Crowd) -> None:
    """Their tokens went with Redis: they must buy new ones to come back."""
    some = crowd.randomness.sample(crowd.clients, RECONNECTING)
    before = [client.connection for client in some]
    for client in some:
        client.cut()
    await crowd.until(
        lambda: all(c.connection > b for c, b in zip(some, before, strict=True)), 90, "coming back"
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("blow", ["kill -9", "FLUSHALL"])
async def test_redis_struck_under_load_loses_nothing(
    stack: Stack, tmp_path: Path, say: Say, blow: str, seed: int
) -> None:
    async with open_http() as http:
        devices = await enrol(http, stack.base, numbers(DEVICES))
    async with Crowd([stack.base], devices, tmp_path / "journal", seed) as crowd:
        crowd.load(MESSAGES_PER_S)
        for _ in range(ROUNDS):
            await more_answers(crowd, crowd.randomness.randint(50, 200))
            await strike(crowd, stack, blow)
            await more_answers(crowd, 50)
            await reconnect_some(crowd)
        verdict = await crowd.settle()
        say(f"Redis {blow} {ROUNDS} times, seed {seed}: {verdict}")
        assert verdict.holds, verdict
        assert verdict.acked == verdict.attempted
        assert crowd.findings() == []


async def strike(crowd: Crowd, stack: Stack, blow: str) -> None:
    path = stack.redis_socket()
    assert path is not None
    if blow == "FLUSHALL":
        keys = await ask_redis(path, "DBSIZE")
        assert keys != ":0", "there must be something to flush"
        assert await ask_redis(path, "FLUSHALL") == "+OK"
        return
    old = stack.kill("redis")
    await crowd.until(lambda: _back(stack, old), 60, "a new Redis")


def _back(stack: Stack, old: int) -> bool:
    redis = stack.role("redis")
    return redis is not None and redis.pid != old and stack.redis_socket() is not None
