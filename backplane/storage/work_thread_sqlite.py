"""A thread that works in groups: what waits is bounded, every answer has a deadline.

Submitted work is taken in order, as many at once as the bounds of a group allow, and all futures of
a group are resolved with one call into the event loop.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from backplane.errors import Overloaded, Unavailable

S = TypeVar("S")
T = TypeVar("T")


class WorkLimits(Struct, frozen=True, kw_only=True):
    pending_operations_max: int
    pending_bytes_max: int
    group_operations_max: int
    group_bytes_max: int
    timeout_s: float
    """From submission to answer."""


class Pending(Generic[S]):
    """Work that waits, and then its result or error."""

    __slots__ = ("deadline", "error", "future", "loop", "result", "size_bytes", "work")

    def __init__(
        self, work: Callable[[S], Any], size_bytes: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.work = work
        self.size_bytes = size_bytes
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.deadline = 0.0
        self.result: Any = None
        self.error: Exception | None = None

    @property
    def abandoned(self) -> bool:
        """The caller went away or its deadline has passed."""
        return self.future.done()

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class WorkThread(Generic[S]):
    """`run` fills in each one's result or error, in the thread; `between` is called after the
    answers are out, `stop` at the end."""

    def __init__(
        self,
        name: str,
        limits: WorkLimits,
        *,
        run: Callable[[list[Pending[S]]], None],
        between: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._run_group = run
        self._between = between
        self._stop = stop
        self._pending: deque[Pending[S]] = deque()
        self._pending_bytes = 0
        self._condition = threading.Condition()
        self._stopping = False
        self._unanswered: deque[Pending[S]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        return len(self._pending)

    def submit(self, work: Callable[[S], T], size_bytes: int) -> asyncio.Future[T]:
        """Raise Overloaded when too much waits. The future raises Unavailable at the deadline;
        the work may still be done then."""
        loop = asyncio.get_running_loop()
        pending: Pending[S] = Pending(work, size_bytes, loop)
        with self._condition:
            self._admit(size_bytes)
            self._pending.append(pending)
            self._pending_bytes += size_bytes
            if len(self._pending) == 1:
                self._condition.notify()
        self._watch_over(pending)
        return pending.future

    async def shut(self) -> None:
        """Finish what was accepted."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)
        if self._watch is not None:
            self._watch.cancel()

    def _admit(self, size_bytes: int) -> None:
        if self._stopping:
            raise Unavailable("the store is shut")
        if len(self._pending) >= self._limits.pending_operations_max:
            raise Overloaded("too many operations wait for the store")
        if self._pending_bytes + size_bytes > self._limits.pending_bytes_max:
            raise Overloaded("too many bytes wait for the store")

    def _watch_over(self, pending: Pending[S]) -> None:
        """One timer for all, since all wait equally long: a timer each costs as much as the rest."""
        unanswered = self._unanswered
        while unanswered and unanswered[0].future.done():
            unanswered.popleft()
        pending.deadline = pending.loop.time() + self._limits.timeout_s
        unanswered.append(pending)
        if self._watch is None:
            self._watch = pending.loop.call_at(pending.deadline, self._expire, pending.loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = None
        now = loop.time()
        unanswered = self._unanswered
        while unanswered and (unanswered[0].future.done() or unanswered[0].deadline <= now):
            overdue = unanswered.popleft()
            if not overdue.future.done():
                overdue.future.set_exception(Unavailable("the store did not answer in time"))
        if unanswered:
            self._watch = loop.call_at(unanswered[0].deadline, self._expire, loop)

    def _run(self) -> None:
        while group := self._take():
            self._run_group(group)
            _resolve(group)
            self._between()
        self._stop()

    def _take(self) -> list[Pending[S]]:
        """The next group; empty when it is time to stop."""
        limits = self._limits
        with self._condition:
            while not self._pending and not self._stopping:
                self._condition.wait()
            group: list[Pending[S]] = []
            size_bytes = 0
            while self._pending and len(group) < limits.group_operations_max:
                size_bytes += self._pending[0].size_bytes
                if group and size_bytes > limits.group_bytes_max:
                    break
                pending = self._pending.popleft()
                self._pending_bytes -= pending.size_bytes
                group.append(pending)
            return group


def _resolve(group: list[Pending[S]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Pending[S]]] = {}
    for pending in group:
        by_loop.setdefault(pending.loop, []).append(pending)
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            continue  # that loop is closed: nobody waits there any more


def _settle(group: list[Pending[S]]) -> None:
    for pending in group:
        pending.settle()
