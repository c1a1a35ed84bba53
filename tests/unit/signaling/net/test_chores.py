import asyncio
from collections.abc import AsyncIterator

import pytest

from backplane.errors import Unavailable
from backplane.telemetry.metrics import Metrics
from signaling.net import chores as module
from signaling.net.chores import Chores, attempt


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def chores(metrics: Metrics) -> AsyncIterator[Chores]:
    chores = Chores(metrics)
    chores.start()
    yield chores
    await chores.stop(1)


def failures(metrics: Metrics, call: str) -> float | None:
    return metrics.registry.get_sample_value("ringline_registry_errors_total", {"call": call})


async def test_what_was_added_is_done_before_the_stop(metrics: Metrics) -> None:
    chores, done = Chores(metrics), []
    chores.start()

    async def chore() -> None:
        await asyncio.sleep(0)
        done.append(1)

    for _ in range(100):
        chores.add("x", chore)
    await chores.stop(5)
    assert len(done) == 100


async def test_a_failure_is_counted_and_the_next_is_done(chores: Chores, metrics: Metrics) -> None:
    done = asyncio.Event()

    async def away() -> None:
        raise Unavailable("redis")

    async def broken() -> None:
        raise KeyError("ours")

    async def well() -> None:
        done.set()

    for _ in range(20):
        chores.add("away", away)
        chores.add("broken", broken)
    chores.add("well", well)
    async with asyncio.timeout(5):
        await done.wait()
    assert failures(metrics, "away") == 20
    assert failures(metrics, "broken") == 20


async def test_the_line_is_bounded_and_the_stop_does_not_wait_for_ever(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHORES_MAX", 3)
    chores = Chores(metrics)
    chores.start()

    async def hang() -> None:
        await asyncio.Event().wait()

    for _ in range(5):
        chores.add("hang", hang)
    dropped = metrics.registry.get_sample_value(
        "ringline_bus_dropped_total", {"reason": "chores-full"}
    )
    assert dropped == 2
    await chores.stop(0.05)


async def test_an_attempt_says_whether_it_went_well(metrics: Metrics) -> None:
    async def well() -> int:
        return 5

    async def away() -> int:
        raise Unavailable("x")

    assert await attempt("a", well, metrics)
    assert not await attempt("a", away, metrics)
