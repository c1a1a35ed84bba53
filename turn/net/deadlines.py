"""Asks the registry until when a call's allocations are refreshed. Its silence ends no call."""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from backplane.errors import WorldError
from backplane.registry.ports import RelayDeadlineRegistry

QUESTIONS_MAX: Final = 256
"""Under way; beyond that a refresh goes by its credential's own time."""

_log = structlog.get_logger()


class RegistryDeadlines:
    """`turn.server.Deadlines`."""

    def __init__(self, registry: RelayDeadlineRegistry) -> None:
        self._registry = registry
        self._asking: set[asyncio.Task[None]] = set()
        self.unanswered = 0

    def ask(self, call: UUID, then: Callable[[int | None], None]) -> None:
        if len(self._asking) >= QUESTIONS_MAX:
            self.unanswered += 1
            then(None)
            return
        task = asyncio.get_running_loop().create_task(self._ask(call, then))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, call: UUID, then: Callable[[int | None], None]) -> None:
        """The registry's own deadline bounds this."""
        try:
            until = await self._registry.get(call)
        except WorldError as error:
            self.unanswered += 1
            _log.warning("registry does not answer; refreshed all the same", error=str(error))
            until = None
        except Exception:
            self.unanswered += 1
            _log.exception("asking the registry broke; refreshed all the same")
            until = None
        then(until)

    async def stop(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
