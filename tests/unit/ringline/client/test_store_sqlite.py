"""What only a file can do: survive, be shared, be broken. The rest is in test_store.py."""

import os
import sqlite3
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from ringline.client.errors import ProfileDamaged
from ringline.client.store_sqlite import SqliteStore
from ringline.protocol.types import ContentType

BOB = uuid.UUID(int=2)
ONE = uuid.UUID(int=101)


def put(store: SqliteStore, number: int) -> int:
    message = uuid.UUID(int=100 + number)
    return store.enqueue(message, BOB, ContentType.UNSEALED, b"body", 1_000).sequence


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    script = (
        "import os, pathlib, sys, uuid\n"
        "from ringline.client.store_sqlite import SqliteStore\n"
        "from ringline.protocol.types import ContentType\n"
        "store = SqliteStore(pathlib.Path(sys.argv[1]))\n"
        "for n in (1, 2):\n"
        "    store.enqueue(uuid.UUID(int=100 + n), uuid.UUID(int=2), ContentType.UNSEALED, b'b', 1)\n"
        "store._connection.execute('BEGIN IMMEDIATE')\n"
        "store._depth += 1\n"
        "store.enqueue(uuid.UUID(int=103), uuid.UUID(int=2), ContentType.UNSEALED, b'b', 1)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], timeout=60, check=False)
    assert killed.returncode == -9
    store = SqliteStore(path)
    assert [m.id.int for m in store.outbox()] == [101, 102]
    assert put(store, 3) == 3
    store.close()


def test_the_file_is_private_and_flushed(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    old = os.umask(0)
    try:
        store = SqliteStore(path)
        put(store, 1)
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    finally:
        os.umask(old)
    assert store._one("PRAGMA synchronous") == (2,)
    assert store._one("PRAGMA journal_mode") == ("wal",)
    store.close()


def test_two_openers_share_it(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    one, other = SqliteStore(path), SqliteStore(path)
    assert [put(one, 1), put(other, 2), put(one, 3)] == [1, 2, 3]
    other.settle(ONE, 5)
    assert [m.sequence for m in one.outbox(BOB)] == [2, 3]
    one.close()
    other.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(ProfileDamaged):
        SqliteStore(path)


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(ProfileDamaged, match="newer"):
        SqliteStore(path)


def test_a_disk_that_fails_is_said(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ringline.db")
    store._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(ProfileDamaged):
        put(store, 1)
    store._connection.execute("PRAGMA query_only=OFF")
    assert put(store, 1) == 1
    store.close()


def test_an_identity_that_cannot_be_read(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ringline.db")
    store._set("identity", b"\xc1")
    with pytest.raises(ProfileDamaged):
        store.identity()
    store.close()
