import sqlite3
from pathlib import Path

import pytest

from backplane.errors import StorageFull, Unavailable
from backplane.storage.errors_sqlite import world_error


def caught(connection: sqlite3.Connection, *statements: str) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as error:
        for statement in statements:
            connection.execute(statement)
    return error.value


def test_no_room() -> None:
    full = caught(
        sqlite3.connect(":memory:"),
        "PRAGMA max_page_count=2",
        "CREATE TABLE a (x)",
        "INSERT INTO a VALUES (zeroblob(100000))",
    )
    assert isinstance(world_error(full), StorageFull)


def test_busy_read_only_and_broken_files_are_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE a (x)")
    holder.execute("BEGIN EXCLUSIVE")
    busy = caught(sqlite3.connect(path, timeout=0), "SELECT * FROM a")
    holder.execute("ROLLBACK")
    holder.execute("PRAGMA query_only=ON")
    read_only = caught(holder, "INSERT INTO a VALUES (1)")
    path.write_bytes(b"no database at all, though long enough to look at" * 40)
    broken = caught(sqlite3.connect(path), "SELECT * FROM a")
    for error in (busy, read_only, broken):
        assert isinstance(world_error(error), Unavailable), error


def test_our_own_mistakes_are_not_the_worlds() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE a (x UNIQUE)")
    connection.execute("INSERT INTO a VALUES (1)")
    for statement in ("SELECT * FROM missing", "SELEKT", "INSERT INTO a VALUES (1)"):
        assert world_error(caught(connection, statement)) is None
    assert world_error(ValueError("x")) is None
    assert world_error(None) is None
    with pytest.raises(sqlite3.ProgrammingError) as misuse:
        connection.execute("SELECT ?", ())
    assert world_error(misuse.value) is None
