"""Work that nobody waits for: a few workers, a bounded line, every failure counted."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from backplane.errors import WorldError
from backplane.telemetry.metrics import Metrics

CHORES_MAX: Final = 20_000
WORKERS: Final = 8

_log = structlog.get_logger()


class Chores:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: deque[tuple[str, Callable[[], Awaitable[None]]]] = deque()
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._running = 0
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._idle.set()
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    def add(self, name: str, chore: Callable[[], Awaitable[None]]) -> None:
        if len(self._waiting) >= CHORES_MAX:
            self._metrics.bus_dropped.labels(reason="chores-full").inc()
            return
        self._waiting.append((name, chore))
        self._idle.clear()
        self._ready.set()

    async def stop(self, timeout_s: float) -> None:
        """Finish what waits, within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("chores left undone", waiting=len(self._waiting))
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._ready.clear()
                await self._ready.wait()
            name, chore = self._waiting.popleft()
            self._running += 1
            await attempt(name, chore, self._metrics)
            self._running -= 1
            if not self._waiting and not self._running:
                self._idle.set()


async def attempt(name: str, chore: Callable[[], Awaitable[object]], metrics: Metrics) -> bool:
    """Whether it went well. The world's failures are counted, ours are logged too; none is raised."""
    try:
        await chore()
    except WorldError as error:
        metrics.registry_errors.labels(call=name).inc()
        _log.warning("chore failed", chore=name, error=type(error).__name__)
        return False
    except Exception:
        metrics.registry_errors.labels(call=name).inc()
        _log.exception("chore broke", chore=name)
        return False
    return True
