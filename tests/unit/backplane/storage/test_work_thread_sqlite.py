"""The thread by itself: order, groups, bounds, deadlines, the end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from backplane.errors import Overloaded, Unavailable
from backplane.storage.work_thread_sqlite import Pending, WorkLimits, WorkThread


class Desk:
    """Work on a list; the first group can be held up, so that the others pile up behind it."""

    def __init__(self, limits: WorkLimits, held: bool) -> None:
        self.groups: list[int] = []
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.entered = threading.Event()
        if not held:
            self.gate.set()
        self.thread: WorkThread[list[str]] = WorkThread(
            "desk",
            limits,
            run=self.run,
            between=lambda: self.calls.append("between"),
            stop=lambda: self.calls.append("stop"),
        )

    def run(self, group: list[Pending[list[str]]]) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        self.groups.append(len(group))
        for pending in group:
            if pending.abandoned:
                continue
            try:
                pending.result = pending.work(self.calls)
            except ValueError as error:
                pending.error = error

    async def hold(self) -> "asyncio.Future[None]":
        """One piece of work that is being done; everything after it waits."""
        first = self.thread.submit(note("first"), 1)
        await asyncio.to_thread(self.entered.wait, 10)
        return first


def limits(
    operations: int = 100, size_bytes: int = 10_000, group: int = 10, timeout_s: float = 10.0
) -> WorkLimits:
    return WorkLimits(
        pending_operations_max=operations,
        pending_bytes_max=size_bytes,
        group_operations_max=group,
        group_bytes_max=1000,
        timeout_s=timeout_s,
    )


@asynccontextmanager
async def desk(bounds: WorkLimits, held: bool = True) -> AsyncIterator[Desk]:
    made = Desk(bounds, held)
    try:
        yield made
    finally:
        made.gate.set()
        await made.thread.shut()


def note(word: str) -> Callable[[list[str]], None]:
    return lambda calls: calls.append(word)


def refuse(_: list[str]) -> None:
    raise ValueError


async def test_results_and_errors_reach_their_futures() -> None:
    async with desk(limits(), held=False) as made:
        good = made.thread.submit(lambda _: 5, 1)
        bad = made.thread.submit(refuse, 1)
        assert await good == 5
        with pytest.raises(ValueError):
            await bad


async def test_groups_are_bounded_in_count_and_order_is_kept() -> None:
    async with desk(limits(group=10)) as made:
        await made.hold()
        rest = [made.thread.submit(note(str(n)), 1) for n in range(25)]
        assert made.thread.pending == 25
        made.gate.set()
        await asyncio.gather(*rest)
        assert made.groups == [1, 10, 10, 5]
        words = [word for word in made.calls if word != "between"]
        assert words == ["first", *map(str, range(25))]


async def test_groups_are_bounded_in_bytes_but_take_one() -> None:
    async with desk(limits()) as made:
        await made.hold()
        rest = [made.thread.submit(note("x"), size) for size in (400, 400, 400, 5000, 1)]
        made.gate.set()
        await asyncio.gather(*rest)
        assert made.groups == [1, 2, 1, 1, 1]


async def test_too_many_waiting_are_refused() -> None:
    async with desk(limits(operations=3)) as made:
        await made.hold()
        rest = [made.thread.submit(note("x"), 1) for _ in range(3)]
        with pytest.raises(Overloaded) as refused:
            made.thread.submit(note("x"), 1)
        assert refused.value.retry_after_s >= 1
        made.gate.set()
        await asyncio.gather(*rest)
        await made.thread.submit(note("x"), 1)


async def test_too_many_waiting_bytes_are_refused() -> None:
    async with desk(limits(size_bytes=100)) as made:
        await made.hold()
        rest = [made.thread.submit(note("x"), 50) for _ in range(2)]
        with pytest.raises(Overloaded):
            made.thread.submit(note("x"), 1)
        made.gate.set()
        await asyncio.gather(*rest)
        await made.thread.submit(note("x"), 100)


async def test_the_deadline_answers_while_the_thread_is_stuck() -> None:
    async with desk(limits(timeout_s=0.05)) as made:
        first = await made.hold()
        later = made.thread.submit(note("later"), 1)
        for future in (first, later):
            with pytest.raises(Unavailable):
                await future
    # What nobody waits for any more is not begun.
    assert "later" not in made.calls


async def test_the_deadline_spares_what_was_answered() -> None:
    async with desk(limits(timeout_s=0.05)) as made:
        made.gate.set()
        for _ in range(30):
            await made.thread.submit(note("x"), 1)
            await asyncio.sleep(0.005)


async def test_a_caller_that_went_away_hurts_nobody() -> None:
    async with desk(limits()) as made:
        await made.hold()
        gone = made.thread.submit(note("gone"), 1)
        stays = made.thread.submit(note("stays"), 1)
        gone.cancel()
        made.gate.set()
        await stays
        assert "gone" not in made.calls


async def test_shutting_finishes_what_was_accepted_and_takes_no_more() -> None:
    async with desk(limits()) as made:
        await made.hold()
        rest = [made.thread.submit(note("x"), 1) for _ in range(25)]
        shutting = asyncio.create_task(made.thread.shut())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            made.thread.submit(note("late"), 1)
        made.gate.set()
        await shutting
        assert all(future.done() for future in rest)
        assert made.calls[-1] == "stop"


def test_a_closed_loop_does_not_end_the_thread() -> None:
    made = Desk(limits(), held=True)

    async def leave() -> None:
        await made.hold()

    asyncio.run(leave())
    made.gate.set()

    async def come_back() -> None:
        assert await asyncio.wait_for(made.thread.submit(lambda _: 7, 1), 10) == 7
        await made.thread.shut()

    asyncio.run(come_back())
