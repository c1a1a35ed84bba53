"""Questions to the registry: its silence ends no call, and there are only so many."""

import asyncio
from uuid import UUID

from backplane.errors import Unavailable
from backplane.registry.calls_memory import MemoryRelayDeadlines
from turn.net.deadlines import QUESTIONS_MAX, RegistryDeadlines

CALL = UUID(int=9)


class Slow(MemoryRelayDeadlines):
    """A registry that may be away, or think it over."""

    def __init__(self) -> None:
        super().__init__(lambda: 1)
        self.open = asyncio.Event()
        self.open.set()
        self.away = False

    async def get(self, call: UUID) -> int | None:
        await self.open.wait()
        if self.away:
            raise Unavailable
        return await super().get(call)


async def answered(deadlines: RegistryDeadlines) -> int | None:
    got: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    deadlines.ask(CALL, got.set_result)
    async with asyncio.timeout(20):
        return await got


async def test_the_registry_is_asked() -> None:
    registry = Slow()
    assert await answered(RegistryDeadlines(registry)) is None
    await registry.put(CALL, 5, 1_000)
    assert await answered(RegistryDeadlines(registry)) == 5


async def test_a_registry_that_is_away_ends_no_call() -> None:
    registry = Slow()
    registry.away = True
    deadlines = RegistryDeadlines(registry)
    assert await answered(deadlines) is None
    assert deadlines.unanswered == 1


async def test_there_are_only_so_many_questions() -> None:
    registry = Slow()
    registry.open.clear()
    deadlines = RegistryDeadlines(registry)
    answers: list[int | None] = []
    for _ in range(QUESTIONS_MAX + 3):
        deadlines.ask(CALL, answers.append)
    assert answers == [None] * 3
    assert deadlines.unanswered == 3
    await deadlines.stop()
    assert answers == [None] * 3
