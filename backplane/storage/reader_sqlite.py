"""Reads of the queue file: a thread and a read-only connection of their own.

What waits is read inside one read transaction, begun after it was submitted: a read sees everything
that was committed before it was asked for. Read transactions are short, for the log's sake.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from backplane.storage.errors_sqlite import world_error
from backplane.storage.settings import StorageSettings
from backplane.storage.work_thread_sqlite import Pending, WorkLimits, WorkThread

T = TypeVar("T")

GROUP_READS_MAX: Final = 64


class Reader:
    def __init__(
        self, path: Path, settings: StorageSettings, connect: Callable[[Path], sqlite3.Connection]
    ) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        limits = WorkLimits(
            pending_operations_max=settings.pending_operations_max,
            pending_bytes_max=settings.pending_operations_max,
            group_operations_max=GROUP_READS_MAX,
            group_bytes_max=GROUP_READS_MAX,
            timeout_s=settings.call_timeout_s,
        )
        self._thread: WorkThread[sqlite3.Connection] = WorkThread(
            "queue-reader",
            limits,
            run=self._read,
            between=lambda: None,
            stop=self._disconnect,
        )

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Raise Overloaded when too many reads wait."""
        return self._thread.submit(work, 1)

    async def shut(self) -> None:
        await self._thread.shut()

    def _read(self, group: list[Pending[sqlite3.Connection]]) -> None:
        for pending in group:
            if pending.abandoned:
                continue
            try:
                pending.result = pending.work(self._begun())
            except Exception as error:
                pending.error = world_error(error) or error
                if isinstance(error, sqlite3.Error):
                    self._disconnect()
        self._end()

    def _begun(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect(self._path)
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        return self._connection

    def _end(self) -> None:
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
