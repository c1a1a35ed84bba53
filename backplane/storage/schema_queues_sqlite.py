"""The queues' schema: SQL files of the package in order, counted by `PRAGMA user_version`."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Final

from backplane.errors import Unavailable
from backplane.storage.connection_sqlite import writing_connection
from backplane.storage.errors_sqlite import world_error
from backplane.storage.settings import StorageSettings

STEPS: Final = ("device_queues_001.sql",)


def pending_queues(path: Path) -> list[str]:
    """The steps that are missing. Raises Unavailable."""
    if not path.exists():
        return _names(0)
    try:
        with closing(sqlite3.connect(path)) as connection:
            return _names(_version(connection))
    except sqlite3.Error as error:
        raise world_error(error) or error from error


def migrate_queues(path: Path, settings: StorageSettings) -> list[str]:
    """Take all missing steps in one transaction: which. Raises Unavailable or StorageFull.

    The version is read under the write lock: of several processes one migrates.
    """
    try:
        with closing(writing_connection(settings)(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            version = _version(connection)
            steps = _names(version)
            for name in STEPS[version:]:
                for statement in _statements(name):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={len(STEPS)}")
            connection.execute("COMMIT")
            return steps
    except sqlite3.Error as error:
        raise world_error(error) or error from error


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise Unavailable("the queues were written by a newer version")
    return int(version)


def _names(version: int) -> list[str]:
    return [f"queues {name.removesuffix('.sql')}" for name in STEPS[version:]]


def _statements(name: str) -> Iterator[str]:
    """One by one: `executescript` would commit what has begun."""
    text = resources.files("backplane.storage").joinpath(name).read_text("utf-8")
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), "the last statement of a step ends with a semicolon"
