import asyncio
from contextlib import suppress

import pytest

from backplane.errors import Unavailable
from backplane.telemetry.metrics import Metrics
from signaling.net import loops
from signaling.net.loops import Trigger, repeat


class Backlog:
    def __init__(self, count: int, failures: int = 0) -> None:
        self.count = count
        self.failures = failures
        self.done = asyncio.Event()

    @property
    def pending(self) -> bool:
        return self.count > 0

    async def step(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.count -= 1
        if not self.count:
            self.done.set()


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_once_fired_it_runs_until_nothing_is_pending() -> None:
    trigger, backlog = Trigger("x", Metrics()), Backlog(5)
    running = asyncio.create_task(trigger.run(backlog))
    await asyncio.sleep(0)
    assert backlog.count == 5
    trigger.fire()
    async with asyncio.timeout(5):
        await backlog.done.wait()
        backlog.done.clear()
        backlog.count = 2
        trigger.fire()
        await backlog.done.wait()
    await stop(running)


async def test_a_failure_is_followed_by_a_pause_and_another_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "RETRY_PAUSE_S", 0.01)
    metrics = Metrics()
    trigger, backlog = Trigger("fetch", metrics), Backlog(1, failures=2)
    running = asyncio.create_task(trigger.run(backlog))
    trigger.fire()
    async with asyncio.timeout(5):
        await backlog.done.wait()
    value = metrics.registry.get_sample_value("ringline_registry_errors_total", {"call": "fetch"})
    assert value == 2
    await stop(running)


async def test_a_repeated_step_survives_its_failures() -> None:
    calls = 0
    enough = asyncio.Event()

    async def step() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            enough.set()
        raise KeyError("ours")

    running = asyncio.create_task(repeat("x", 0.001, step, Metrics()))
    async with asyncio.timeout(5):
        await enough.wait()
    await stop(running)
