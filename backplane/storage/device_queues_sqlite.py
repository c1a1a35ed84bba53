"""DeviceQueues on SQLite: WAL, synchronous=FULL, group commit in a writer thread.

Reads run on a thread of their own and see committed data only. Several processes on one host may
share the file; each commits its own groups.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from backplane.errors import Overloaded, Unavailable
from backplane.storage import queue_statements_sqlite as statements
from backplane.storage.connection_sqlite import reading_connection, writing_connection
from backplane.storage.device_queues import (
    Append,
    FetchRequest,
    QueueDevice,
    QueueEntry,
    QueueHead,
    Removal,
    SendOperation,
    SendOutcome,
)
from backplane.storage.errors_sqlite import world_error
from backplane.storage.settings import StorageSettings
from backplane.storage.writer_sqlite import Writer
from ringline.protocol.types import Address

T = TypeVar("T")

FETCH_BYTES_MAX = 1024 * 1024
"""Of one request's answer; at least one entry always comes."""
_READS_WAITING_MAX = 10_000

_FETCH = (
    "SELECT position, payload FROM entries"
    " WHERE account = ? AND device = ? AND position > ? AND expires_at > ?"
    " ORDER BY position LIMIT ?"
)
_HEAD = "SELECT registration_id, last_position FROM queues WHERE account = ? AND device = ?"
_BACKLOG = "SELECT count(*) FROM entries WHERE account = ? AND device = ?"


class SqliteDeviceQueues:
    """The port's embedded adapter. The schema must be there (see migrate)."""

    def __init__(self, path: Path, settings: StorageSettings) -> None:
        self._settings = settings
        self._writer = Writer(path, settings, writing_connection(settings))
        self._reader = _Reader(path, settings)

    @property
    def pending(self) -> int:
        """Operations that wait for their commit."""
        return self._writer.pending

    async def open(self, account: UUID, device: QueueDevice, now: int) -> None:
        await self._write(lambda c: statements.open_queue(c, account, device, now))

    async def replace(self, account: UUID, device: QueueDevice, now: int) -> None:
        await self._write(lambda c: statements.replace(c, account, device, now))

    async def close(self, address: Address) -> None:
        await self._write(lambda c: statements.close(c, address))

    async def devices(self, account: UUID) -> tuple[QueueDevice, ...]:
        return await self._reader.read(lambda c: statements.devices(c, account))

    async def head(self, address: Address) -> QueueHead | None:
        return await self._reader.read(lambda c: _head(c, address))

    async def send(self, operation: SendOperation) -> SendOutcome:
        size_bytes = 256 + sum(
            len(item.payload) for recipient in operation.recipients for item in recipient.payloads
        )
        return await self._write(lambda c: statements.send(c, operation), size_bytes)

    async def change(
        self, removals: Sequence[Removal], appends: Sequence[Append]
    ) -> tuple[Address, ...]:
        size_bytes = 256 + sum(len(append.payload) for append in appends)
        return await self._write(lambda c: statements.change(c, removals, appends), size_bytes)

    async def fetch(
        self, requests: Sequence[FetchRequest], now: int
    ) -> tuple[tuple[QueueEntry, ...], ...]:
        return await self._reader.read(
            lambda c: tuple(_fetch(c, request, now) for request in requests)
        )

    async def next_sequence(self, sender: Address, conversation: UUID) -> int:
        return await self._reader.read(lambda c: statements.next_sequence(c, sender, conversation))

    async def sweep(self, now: int, limit: int) -> int:
        return await self._write(lambda c: statements.sweep(c, now, limit))

    async def probe(self) -> None:
        await self._write(statements.probe)

    async def shut(self) -> None:
        await self._writer.shut()
        await self._reader.shut()

    async def _write(self, work: Callable[[sqlite3.Connection], T], size_bytes: int = 256) -> T:
        future = self._writer.submit(work, size_bytes)
        try:
            # The commit may still happen after the deadline; a repeat is harmless.
            async with asyncio.timeout(self._settings.call_timeout_s):
                return await future
        except TimeoutError:
            raise Unavailable("the store did not commit in time") from None


class _Reader:
    """One thread, one read-only connection, bounded waiting."""

    def __init__(self, path: Path, settings: StorageSettings) -> None:
        self._path = path
        self._connect = reading_connection(settings)
        self._timeout_s = settings.call_timeout_s
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="queue-reader")
        self._connection: sqlite3.Connection | None = None
        self._waiting = 0

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._waiting >= _READS_WAITING_MAX:
            raise Overloaded("too many reads wait")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self._timeout_s):
                result: T = await loop.run_in_executor(self._executor, self._run, work)
                return result
        except TimeoutError:
            raise Unavailable("the store did not answer in time") from None
        finally:
            self._waiting -= 1

    async def shut(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._disconnect)
        self._executor.shutdown(wait=True)

    def _run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            if self._connection is None:
                self._connection = self._connect(self._path)
            return work(self._connection)
        except sqlite3.Error as error:
            self._disconnect()
            raise world_error(error) or error from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _head(connection: sqlite3.Connection, address: Address) -> QueueHead | None:
    where = (address.account.bytes, address.device)
    row = connection.execute(_HEAD, where).fetchone()
    if row is None:
        return None
    (backlog,) = connection.execute(_BACKLOG, where).fetchone()
    return QueueHead(registration_id=row[0], last_position=row[1], backlog=backlog)


def _fetch(
    connection: sqlite3.Connection, request: FetchRequest, now: int
) -> tuple[QueueEntry, ...]:
    address = request.address
    rows = connection.execute(
        _FETCH, (address.account.bytes, address.device, request.after, now, request.limit)
    )
    entries: list[QueueEntry] = []
    size_bytes = 0
    for position, payload in rows:
        size_bytes += len(payload)
        if entries and size_bytes > FETCH_BYTES_MAX:
            break
        entries.append(QueueEntry(position, payload))
    rows.close()
    return tuple(entries)
