"""How every SQLite connection of the queue file is opened, and how its log is kept short.

Every `checkpoint_pages` the COMMIT that passes them folds the log back, and the next one starts
it over, unless readers overlap without a pause; then the writer waits for them (`truncate_log`).
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from backplane.storage.settings import StorageSettings

TRUNCATE_TIMEOUT_MS: Final = 250
"""How long commits may be held up by a reader that does not let go of the log."""


def writing_connection(settings: StorageSettings) -> Callable[[Path], sqlite3.Connection]:
    """WAL with synchronous=FULL: a COMMIT returns after the log is on the disk."""

    def connect(path: Path) -> sqlite3.Connection:
        connection = _open(path, settings)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={settings.checkpoint_pages}")
        connection.execute(f"PRAGMA journal_size_limit={settings.log_bytes_max}")
        return connection

    return connect


def reading_connection(settings: StorageSettings) -> Callable[[Path], sqlite3.Connection]:
    def connect(path: Path) -> sqlite3.Connection:
        connection = _open(path, settings)
        connection.execute("PRAGMA query_only=ON")
        return connection

    return connect


def log_path(path: Path) -> Path:
    """The write-ahead log of this file."""
    return path.with_name(f"{path.name}-wal")


def truncate_log(connection: sqlite3.Connection, settings: StorageSettings) -> None:
    """Fold all of the log back and cut it to nothing, as soon as the readers allow it."""
    connection.execute(f"PRAGMA busy_timeout={TRUNCATE_TIMEOUT_MS}")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout={settings.busy_timeout_ms}")


def _open(path: Path, settings: StorageSettings) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute(f"PRAGMA busy_timeout={settings.busy_timeout_ms}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16384")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
