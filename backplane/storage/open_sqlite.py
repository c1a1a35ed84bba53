"""Opens the embedded storage: the directory, the schema, the adapters."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from backplane.errors import Unavailable
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.storage.device_queues_sqlite import SqliteDeviceQueues
from backplane.storage.records import Records
from backplane.storage.records_memory import MemoryRecords
from backplane.storage.records_sql import SqlRecords
from backplane.storage.schema_queues_sqlite import migrate_queues, pending_queues
from backplane.storage.schema_records_sql import migrate_records, pending_records
from backplane.storage.settings import StorageSettings


def migrate(settings: StorageSettings) -> list[str]:
    """Bring both stores to the newest schema: the names of the steps taken.

    Raises Unavailable, StorageFull, or OSError when the directory cannot be made. What it creates
    nobody but its own user can read.
    """
    Path(settings.directory).mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in _files(settings):
        path.touch(mode=0o600)
    return [
        *migrate_records(_records_url(settings)),
        *migrate_queues(_queues_path(settings), settings),
    ]


def pending_migrations(settings: StorageSettings) -> list[str]:
    """What `migrate` would do; creates nothing. Raises Unavailable."""
    return [*_pending_records(settings), *pending_queues(_queues_path(settings))]


def open_storage(settings: StorageSettings) -> tuple[Records, DeviceQueues]:
    """The adapters on an already migrated store. Raises Unavailable when it is not."""
    pending = pending_migrations(settings)
    if pending:
        raise Unavailable(f"the store is not migrated: {', '.join(pending)}")
    return open_records(settings), SqliteDeviceQueues(_queues_path(settings), settings)


def open_memory_storage() -> tuple[Records, DeviceQueues]:
    return MemoryRecords(), MemoryDeviceQueues()


def open_records(settings: StorageSettings) -> SqlRecords:
    url = _records_url(settings)
    if url.drivername == "sqlite":
        url = url.set(drivername="sqlite+aiosqlite")
    engine = create_async_engine(
        url, pool_size=4, max_overflow=0, pool_timeout=settings.call_timeout_s
    )
    if engine.dialect.name == "sqlite":
        _tune(engine.sync_engine, settings)
    return SqlRecords(engine, settings.call_timeout_s)


def _tune(engine: sa.Engine, settings: StorageSettings) -> None:
    """Durable commits, and transactions that begin where we say (BEGIN IMMEDIATE), not the driver."""

    @sa.event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={settings.busy_timeout_ms}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA journal_size_limit={settings.log_bytes_max}")
        cursor.close()


def _records_url(settings: StorageSettings) -> sa.URL:
    if settings.records_url:
        return sa.make_url(settings.records_url)
    return sa.URL.create("sqlite", database=str(Path(settings.directory) / "records.sqlite3"))


def _queues_path(settings: StorageSettings) -> Path:
    return Path(settings.directory) / "queues.sqlite3"


def _files(settings: StorageSettings) -> list[Path]:
    files = [_queues_path(settings)]
    url = _records_url(settings)
    if url.get_backend_name() == "sqlite":
        files.append(Path(str(url.database)))
    return files


def _pending_records(settings: StorageSettings) -> list[str]:
    url = _records_url(settings)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        # To look would create the file.
        url = sa.make_url("sqlite://")
    return pending_records(url)
