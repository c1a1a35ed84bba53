"""D1/R1, R2: kill -9 under load. Nothing acknowledged is lost, nothing shown twice, order kept."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest.courier import Device
from loadtest.crowd import Crowd, Kill, describe
from loadtest.enrolment import enrol, numbers
from loadtest.figures import percentile
from loadtest.stack import Stack
from loadtest.wire import open_http

DEVICES = 20
MESSAGES_PER_S = 200
KILLS = 20
ATTEMPTS_MAX = 3 * KILLS
"""A kill that found everything answered proves nothing, and is not counted."""
SLOW_MESSAGES = 10_000
FIRST_ACK_S_MAX = 15.0

Say = Callable[[str], None]


async def enrolled(stack: Stack) -> list[Device]:
    async with open_http() as http:
        return await enrol(http, stack.base, numbers(DEVICES))


async def kill_gateway_repeatedly(
    stack: Stack, crowd: Crowd, steady_s: tuple[float, float]
) -> list[Kill]:
    """KILLS proven ones, each after a seeded time of steady load."""
    proven: list[Kill] = []
    for _ in range(ATTEMPTS_MAX):
        await pass_time(crowd, crowd.randomness.uniform(*steady_s))
        await stack.ready()
        gateway = stack.role("gateway")
        assert gateway is not None
        kill = await crowd.kill_under_fire(gateway.kill)
        if kill.unanswered:
            proven.append(kill)
        if len(proven) == KILLS:
            break
    return proven


async def pass_time(crowd: Crowd, seconds: float) -> None:
    """Steady load for so long, and at least one more answer."""
    began, answers = time.monotonic(), crowd.witness.answers
    await crowd.until(
        lambda: time.monotonic() - began >= seconds and crowd.witness.answers > answers,
        60,
        "steady load",
    )


async def kill_gateways(
    stack: Stack, tmp_path: Path, say: Say, seed: int, steady_s: tuple[float, float], messages: int
) -> None:
    async with Crowd([stack.base], await enrolled(stack), tmp_path / "journal", seed) as crowd:
        crowd.load(MESSAGES_PER_S)
        kills = await kill_gateway_repeatedly(stack, crowd, steady_s)
        await crowd.until(lambda: crowd.witness.attempts >= messages, 300, "enough messages")
        verdict = await crowd.settle()
        say(describe("kill -9 of the gateway", seed, kills, verdict))
        assert verdict.holds, verdict
        assert len(kills) == KILLS, f"seed {seed}: only {len(kills)} kills met unanswered sends"
        assert verdict.acked == verdict.attempted >= messages
        assert crowd.findings() == []
        assert percentile([kill.first_ack_s for kill in kills], 0.95) <= FIRST_ACK_S_MAX


@pytest.mark.timeout(400)
async def test_d1_the_gateway_killed_20_times_loses_nothing(
    stack: Stack, tmp_path: Path, say: Say, seed: int
) -> None:
    await kill_gateways(stack, tmp_path, say, seed, (0.5, 1.5), 2_000)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_d1_the_gateway_killed_20_times_over_10_000_messages(
    stack: Stack, tmp_path: Path, say: Say, seed: int
) -> None:
    await kill_gateways(stack, tmp_path, say, seed, (0.5, 6.0), SLOW_MESSAGES)


@pytest.mark.timeout(300)
async def test_everything_killed_at_once_loses_nothing(
    stack: Stack, tmp_path: Path, say: Say, seed: int
) -> None:
    kills: list[Kill] = []
    async with Crowd([stack.base], await enrolled(stack), tmp_path / "journal", seed) as crowd:
        crowd.load(MESSAGES_PER_S)
        while len(kills) < 3:
            await pass_time(crowd, crowd.randomness.uniform(0.2, 1.5))
            kill = await crowd.kill_under_fire(stack.kill_all, then=stack.start)
            kills += [kill] if kill.unanswered else []
        verdict = await crowd.settle()
        say(describe("kill -9 of everything", seed, kills, verdict))
        assert verdict.holds, verdict
        assert verdict.acked == verdict.attempted
        assert crowd.findings() == []
