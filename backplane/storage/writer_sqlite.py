"""Group commit: one thread, one connection, one fsync for everything that waits.

The thread takes all pending operations (bounded in count and bytes), runs them inside one
`BEGIN IMMEDIATE … COMMIT` with synchronous=FULL, and then resolves all their futures with one
call into the event loop. When an operation of a group fails unexpectedly, the group is rolled
back and each operation runs again alone, so that only the guilty one fails.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from backplane.errors import Overloaded, Unavailable, WorldError
from backplane.storage.errors_sqlite import world_error
from backplane.storage.settings import StorageSettings

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


class _Pending:
    __slots__ = ("error", "future", "loop", "result", "size_bytes", "work")

    def __init__(
        self,
        work: Work,
        size_bytes: int,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
    ) -> None:
        self.work = work
        self.size_bytes = size_bytes
        self.loop = loop
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


class Writer:
    """Runs work on the one writing connection of a SQLite file, in submission order."""

    def __init__(
        self, path: Path, settings: StorageSettings, connect: Callable[[Path], sqlite3.Connection]
    ) -> None:
        self._path = path
        self._settings = settings
        self._connect = connect
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._condition = threading.Condition()
        self._stopping = False
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="queue-writer", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        return len(self._pending)

    def submit(
        self, work: Callable[[sqlite3.Connection], T], size_bytes: int = 256
    ) -> asyncio.Future[T]:
        """The future resolves after the commit. Raise Overloaded when too much waits."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._condition:
            if self._stopping:
                raise Unavailable("the store is shut")
            if len(self._pending) >= self._settings.pending_operations_max:
                raise Overloaded("too many commits wait")
            if self._pending_bytes + size_bytes > self._settings.pending_bytes_max:
                raise Overloaded("too many bytes wait to be committed")
            self._pending.append(_Pending(work, size_bytes, loop, future))
            self._pending_bytes += size_bytes
            self._condition.notify()
        return future

    async def shut(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while group := self._take():
            self._commit_group(group)
            _resolve(group)
        self._disconnect()

    def _take(self) -> list[_Pending]:
        """The next group; empty when it is time to stop."""
        with self._condition:
            while not self._pending and not self._stopping:
                self._condition.wait()
            group: list[_Pending] = []
            size_bytes = 0
            while self._pending and len(group) < self._settings.group_operations_max:
                if (
                    group
                    and size_bytes + self._pending[0].size_bytes > self._settings.group_bytes_max
                ):
                    break
                pending = self._pending.popleft()
                size_bytes += pending.size_bytes
                group.append(pending)
            self._pending_bytes -= size_bytes
            return group

    def _commit_group(self, group: list[_Pending]) -> None:
        try:
            self._transact(group)
        except Exception as error:
            fault = self._translate(error)
            if len(group) == 1 or isinstance(fault, WorldError):
                for pending in group:
                    pending.error = fault
                return
            for pending in group:
                self._commit_group([pending])

    def _transact(self, group: list[_Pending]) -> None:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for pending in group:
                pending.result = pending.work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _translate(self, error: Exception) -> Exception:
        """A failing disk can leave the connection in a bad state: the next group gets a new one."""
        translated = world_error(error)
        if translated is None:
            return error
        self._disconnect()
        return translated

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect(self._path)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _resolve(group: list[_Pending]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Pending]] = {}
    for pending in group:
        by_loop.setdefault(pending.loop, []).append(pending)
    for loop, settled in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, settled)


def _settle(group: list[_Pending]) -> None:
    for pending in group:
        if pending.future.done():
            continue
        if pending.error is not None:
            pending.future.set_exception(pending.error)
        else:
            pending.future.set_result(pending.result)
