"""The gateway's own heartbeat: what it does again and again, each failure counted and none fatal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from backplane.telemetry.metrics import Metrics
from signaling.net.chores import attempt

RETRY_PAUSE_S: Final = 1.0
"""After a failure of the world."""


class Backlog(Protocol):
    @property
    def pending(self) -> bool: ...

    async def step(self) -> None: ...


class Trigger:
    """Sets a backlog going: after each `fire` its `step` runs as long as something is pending."""

    def __init__(self, name: str, metrics: Metrics) -> None:
        self._name = name
        self._metrics = metrics
        self._fired = asyncio.Event()

    def fire(self) -> None:
        self._fired.set()

    async def run(self, backlog: Backlog) -> None:
        while True:
            await self._fired.wait()
            self._fired.clear()
            while backlog.pending:
                if not await attempt(self._name, backlog.step, self._metrics):
                    await asyncio.sleep(RETRY_PAUSE_S)


async def repeat(
    name: str, interval_s: float, step: Callable[[], Awaitable[object]], metrics: Metrics
) -> None:
    """Every `interval_s`, counted from the end of the last run: a slow one is never doubled."""
    while True:
        await asyncio.sleep(interval_s)
        await attempt(name, step, metrics)
