"""Opens the embedded storage: the directory, the schema, the adapters."""

import sqlite3
from importlib import resources
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from backplane.errors import Unavailable
from backplane.storage.connection_sqlite import writing_connection
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.storage.device_queues_sqlite import SqliteDeviceQueues
from backplane.storage.records import Records
from backplane.storage.records_memory import MemoryRecords
from backplane.storage.records_sql import SqlRecords
from backplane.storage.settings import StorageSettings

QUEUE_SCHEMAS = ("device_queues_001.sql",)


def migrate(settings: StorageSettings) -> list[str]:
    """Bring both stores to the newest schema: the names of the steps taken. Raises Unavailable."""
    directory = Path(settings.directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    steps = pending_migrations(settings)
    if steps:
        _migrate_records(settings)
        _migrate_queues(settings)
    return steps


def pending_migrations(settings: StorageSettings) -> list[str]:
    return [*_pending_records(settings), *_pending_queues(settings)]


def open_storage(settings: StorageSettings) -> tuple[Records, DeviceQueues]:
    """The adapters on an already migrated store. Raises Unavailable when it is not."""
    pending = pending_migrations(settings)
    if pending:
        raise Unavailable(f"the store is not migrated: {', '.join(pending)}")
    engine = create_async_engine(
        _records_url(settings).replace("sqlite://", "sqlite+aiosqlite://"),
        pool_size=4,
        max_overflow=0,
        pool_timeout=settings.call_timeout_s,
    )
    if engine.dialect.name == "sqlite":
        _tune(engine.sync_engine, settings)
    records = SqlRecords(engine, settings.call_timeout_s)
    return records, SqliteDeviceQueues(_queues_path(settings), settings)


def open_memory_storage() -> tuple[Records, DeviceQueues]:
    return MemoryRecords(), MemoryDeviceQueues()


def _tune(engine: sa.Engine, settings: StorageSettings) -> None:
    """Durable commits, and transactions that begin where we say (BEGIN IMMEDIATE), not the driver."""

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={settings.busy_timeout_ms}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()


def _records_url(settings: StorageSettings) -> str:
    return settings.records_url or f"sqlite:///{Path(settings.directory) / 'records.sqlite3'}"


def _queues_path(settings: StorageSettings) -> Path:
    return Path(settings.directory) / "queues.sqlite3"


def _alembic() -> Config:
    config = Config()
    location = resources.files("backplane.storage").joinpath("migrations")
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    return config


def _pending_records(settings: StorageSettings) -> list[str]:
    script = ScriptDirectory.from_config(_alembic())
    newest = script.get_current_head()
    url = sa.make_url(_records_url(settings))
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        current = None
    else:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        engine.dispose()
    if current == newest:
        return []
    steps = script.iterate_revisions(newest, current or "base")
    return [f"records {step.revision}: {step.doc}" for step in reversed(list(steps))]


def _migrate_records(settings: StorageSettings) -> None:
    engine = sa.create_engine(_records_url(settings))
    config = _alembic()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _queue_version(path: Path) -> int:
    if not path.exists():
        return 0
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(version)


def _pending_queues(settings: StorageSettings) -> list[str]:
    version = _queue_version(_queues_path(settings))
    return [f"queues {name.removesuffix('.sql')}" for name in QUEUE_SCHEMAS[version:]]


def _migrate_queues(settings: StorageSettings) -> None:
    connection = writing_connection(settings)(_queues_path(settings))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, name in enumerate(QUEUE_SCHEMAS[version:], start=version + 1):
        schema = resources.files("backplane.storage").joinpath(name).read_text("utf-8")
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version={number};\nCOMMIT;"
        )
    connection.close()
