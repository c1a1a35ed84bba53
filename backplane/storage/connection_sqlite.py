"""How every SQLite connection of the queue file is opened."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from backplane.storage.settings import StorageSettings


def writing_connection(settings: StorageSettings) -> Callable[[Path], sqlite3.Connection]:
    """WAL with synchronous=FULL: a COMMIT returns after the log is on the disk."""

    def connect(path: Path) -> sqlite3.Connection:
        connection = _open(path, settings)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={settings.checkpoint_pages}")
        connection.execute("PRAGMA journal_size_limit=67108864")
        return connection

    return connect


def reading_connection(settings: StorageSettings) -> Callable[[Path], sqlite3.Connection]:
    def connect(path: Path) -> sqlite3.Connection:
        connection = _open(path, settings)
        connection.execute("PRAGMA query_only=ON")
        return connection

    return connect


def _open(path: Path, settings: StorageSettings) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute(f"PRAGMA busy_timeout={settings.busy_timeout_ms}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA cache_size=-16384")
    return connection
