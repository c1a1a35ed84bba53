"""DeviceQueues on SQLite: WAL, synchronous=FULL, group commit in a writer thread.

Reads run on a thread of their own and see committed data only. Several processes on one host may
share the file; each commits its own groups.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

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
from backplane.storage.queue_transaction_sqlite import QueueTransaction
from backplane.storage.reader_sqlite import Reader
from backplane.storage.settings import StorageSettings
from backplane.storage.writer_sqlite import Writer
from ringline.protocol.types import Address

FETCH_BYTES_MAX: Final = 1024 * 1024
"""Of one request's answer; at least one entry always comes."""
_OPERATION_BYTES: Final = 256
"""What an operation counts for beside its payloads."""

_DEVICES = "SELECT device, registration_id FROM queues WHERE account = ? ORDER BY device"
_HEAD = "SELECT queue, registration_id, last_position FROM queues WHERE account = ? AND device = ?"
_BACKLOG = "SELECT count(*) FROM entries WHERE queue = ?"
_QUEUE = "(SELECT queue FROM queues WHERE account = ? AND device = ?)"
_FETCH = (
    f"SELECT position, payload FROM entries WHERE queue = {_QUEUE}"  # noqa: S608
    " AND position > ? AND expires_at > ? ORDER BY position LIMIT ?"
)
_LAST = f"SELECT last FROM sequences WHERE queue = {_QUEUE} AND conversation = ?"  # noqa: S608


class SqliteDeviceQueues:
    """The port's embedded adapter. The schema must be there (see migrate)."""

    def __init__(
        self,
        path: Path,
        settings: StorageSettings,
        connect: Callable[[Path], sqlite3.Connection] | None = None,
    ) -> None:
        """`connect` opens the writing connection in another way than `writing_connection`."""
        self._writer = Writer(path, settings, connect or writing_connection(settings))
        self._reader = Reader(path, settings, reading_connection(settings))

    @property
    def pending(self) -> int:
        """Operations that wait for their commit."""
        return self._writer.pending

    async def open(self, account: UUID, device: QueueDevice, now: int) -> None:
        await self._writer.submit(lambda t: t.open(account, device, now))

    async def replace(self, account: UUID, device: QueueDevice, now: int) -> None:
        await self._writer.submit(lambda t: t.replace(account, device, now))

    async def close(self, address: Address) -> None:
        await self._writer.submit(lambda t: t.close(address))

    async def devices(self, account: UUID) -> tuple[QueueDevice, ...]:
        return await self._reader.submit(lambda c: _devices(c, account))

    async def head(self, address: Address) -> QueueHead | None:
        return await self._reader.submit(lambda c: _head(c, address))

    async def send(self, operation: SendOperation) -> SendOutcome:
        size_bytes = _OPERATION_BYTES
        for recipient in operation.recipients:
            for item in recipient.payloads:
                size_bytes += len(item.payload)
        return await self._writer.submit(lambda t: t.send(operation), size_bytes)

    async def change(
        self, removals: Sequence[Removal], appends: Sequence[Append]
    ) -> tuple[Address, ...]:
        size_bytes = _OPERATION_BYTES + sum(len(append.payload) for append in appends)
        return await self._writer.submit(lambda t: t.change(removals, appends), size_bytes)

    async def fetch(
        self, requests: Sequence[FetchRequest], now: int
    ) -> tuple[tuple[QueueEntry, ...], ...]:
        return await self._reader.submit(lambda c: tuple(_fetch(c, r, now) for r in requests))

    async def next_sequence(self, sender: Address, conversation: UUID) -> int:
        return await self._reader.submit(lambda c: _next_sequence(c, sender, conversation))

    async def sweep(self, now: int, limit: int) -> int:
        return await self._writer.submit(lambda t: t.sweep(now, limit))

    async def probe(self) -> None:
        await self._writer.submit(QueueTransaction.probe)

    async def shut(self) -> None:
        await self._writer.shut()
        await self._reader.shut()


def _devices(connection: sqlite3.Connection, account: UUID) -> tuple[QueueDevice, ...]:
    rows = connection.execute(_DEVICES, (account.bytes,)).fetchall()
    return tuple(QueueDevice(device, registration_id) for device, registration_id in rows)


def _head(connection: sqlite3.Connection, address: Address) -> QueueHead | None:
    row = connection.execute(_HEAD, (address.account.bytes, address.device)).fetchone()
    if row is None:
        return None
    queue, registration_id, last_position = row
    (backlog,) = connection.execute(_BACKLOG, (queue,)).fetchone()
    return QueueHead(registration_id, last_position, backlog)


def _next_sequence(connection: sqlite3.Connection, sender: Address, conversation: UUID) -> int:
    row = connection.execute(
        _LAST, (sender.account.bytes, sender.device, conversation.bytes)
    ).fetchone()
    return 1 if row is None else int(row[0]) + 1


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
