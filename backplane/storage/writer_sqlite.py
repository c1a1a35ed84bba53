"""Group commit: one thread, one connection, one fsync for everything that waits.

All pending operations (bounded in count and bytes) run inside one `BEGIN IMMEDIATE … COMMIT` with
synchronous=FULL; their futures are resolved after the COMMIT has returned. When an operation of a
group fails by itself, the group is rolled back and each operation runs again alone, so that only
the guilty one fails. A disk that is full is treated alike: what makes room still goes through.
"""

import asyncio
import contextlib
import copy
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from backplane.errors import StorageFull, WorldError
from backplane.storage.connection_sqlite import log_path, truncate_log
from backplane.storage.errors_sqlite import world_error
from backplane.storage.queue_transaction_sqlite import QueueTransaction
from backplane.storage.settings import StorageSettings
from backplane.storage.work_thread_sqlite import Pending, WorkLimits, WorkThread

T = TypeVar("T")

_log = structlog.get_logger()


class Writer:
    """Runs work on the one writing connection of a SQLite file, in submission order."""

    def __init__(
        self, path: Path, settings: StorageSettings, connect: Callable[[Path], sqlite3.Connection]
    ) -> None:
        self._path = path
        self._settings = settings
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._failing = False
        self._log_bytes_max = settings.log_bytes_max
        limits = WorkLimits(
            pending_operations_max=settings.pending_operations_max,
            pending_bytes_max=settings.pending_bytes_max,
            group_operations_max=settings.group_operations_max,
            group_bytes_max=settings.group_bytes_max,
            timeout_s=settings.call_timeout_s,
        )
        self._thread: WorkThread[QueueTransaction] = WorkThread(
            "queue-writer",
            limits,
            run=self._commit,
            between=self._bound_log,
            stop=self._disconnect,
        )

    @property
    def pending(self) -> int:
        return self._thread.pending

    def submit(
        self, work: Callable[[QueueTransaction], T], size_bytes: int = 256
    ) -> asyncio.Future[T]:
        """The future resolves after the commit. Raise Overloaded when too much waits."""
        return self._thread.submit(work, size_bytes)

    async def shut(self) -> None:
        await self._thread.shut()

    def _commit(self, group: list[Pending[QueueTransaction]]) -> None:
        wanted = [pending for pending in group if not pending.abandoned]
        fault = self._try(wanted)
        if fault is None:
            return
        alone = not isinstance(fault, WorldError) or isinstance(fault, StorageFull)
        for pending in wanted:
            retried = self._try([pending]) if alone and len(wanted) > 1 else fault
            # Each its own exception: one raised in many tasks gathers all their tracebacks.
            pending.error = copy.copy(retried)

    def _try(self, group: list[Pending[QueueTransaction]]) -> Exception | None:
        """Commit them together: what went wrong, and then nothing took effect."""
        try:
            self._transact(group)
        except Exception as error:
            fault = world_error(error) or error
            if isinstance(fault, WorldError):
                self._note_failure(fault)
                # A failing disk can leave the connection in a bad state: the next one is new.
                self._disconnect()
            return fault
        self._note_success()
        return None

    def _transact(self, group: list[Pending[QueueTransaction]]) -> None:
        if self._connection is None:
            self._connection = self._connect(self._path)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            transaction = QueueTransaction(connection)
            for pending in group:
                pending.result = pending.work(transaction)
            transaction.flush()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _bound_log(self) -> None:
        """Readers without a pause keep the log from starting over by itself: wait for them here.

        If one does not let go, the log grows by another quarter before the next attempt.
        """
        connection = self._connection
        if connection is None or self._log_bytes() <= self._log_bytes_max:
            return
        with contextlib.suppress(sqlite3.Error):
            truncate_log(connection, self._settings)
        left_bytes = self._log_bytes()
        self._log_bytes_max = self._settings.log_bytes_max
        if left_bytes > self._log_bytes_max:
            self._log_bytes_max = left_bytes + self._settings.log_bytes_max // 4
            _log.warning("write-ahead log grows", log_bytes=left_bytes)

    def _log_bytes(self) -> int:
        try:
            return log_path(self._path).stat().st_size
        except OSError:
            return 0

    def _note_failure(self, fault: WorldError) -> None:
        if not self._failing:
            _log.error("queue store fails", error=str(fault))
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            _log.info("queue store works again")
        self._failing = False

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
