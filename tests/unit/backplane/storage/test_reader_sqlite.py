"""Reads: committed data only, one failing read fails alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from backplane.errors import Unavailable
from backplane.storage.connection_sqlite import reading_connection
from backplane.storage.reader_sqlite import Reader
from backplane.storage.schema_queues_sqlite import migrate_queues
from backplane.storage.settings import StorageSettings

SETTINGS = StorageSettings(busy_timeout_ms=50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "queues.sqlite3"
    migrate_queues(path, SETTINGS)
    return path


@pytest.fixture
async def reader(path: Path) -> AsyncIterator[Reader]:
    reader = Reader(path, SETTINGS, reading_connection(SETTINGS))
    yield reader
    await reader.shut()


def probes(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count FROM probe").fetchone()
    return int(count)


async def test_only_what_is_committed_is_seen(path: Path, reader: Reader) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE probe SET count = 1")
        assert await reader.submit(probes) == 0
        other.execute("COMMIT")
        assert await reader.submit(probes) == 1


async def test_every_read_sees_what_was_committed_before_it(path: Path, reader: Reader) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for count in range(1, 50):
            other.execute("UPDATE probe SET count = ?", (count,))
            assert await reader.submit(probes) == count


async def test_it_cannot_write(path: Path, reader: Reader) -> None:
    with pytest.raises(Unavailable):
        await reader.submit(lambda c: c.execute("UPDATE probe SET count = 5"))
    assert await reader.submit(probes) == 0


async def test_a_failing_read_fails_alone(reader: Reader) -> None:
    def fail(_: sqlite3.Connection) -> int:
        raise ZeroDivisionError

    def misspell(connection: sqlite3.Connection) -> int:
        return len(connection.execute("SELECT nothing FROM nowhere").fetchall())

    answers = await asyncio.gather(
        *(reader.submit(read) for read in (probes, fail, probes, misspell, probes)),
        return_exceptions=True,
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [int, ZeroDivisionError, int, sqlite3.OperationalError, int]


async def test_no_read_transaction_is_left_open(path: Path, reader: Reader) -> None:
    await reader.submit(probes)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE probe SET count = 3")
        # Waits for readers of the log; the answer comes a moment before the transaction ends.
        other.execute("PRAGMA busy_timeout=10000")
        (busy, *_) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy


async def test_a_missing_file_is_unavailable_until_it_is_there(tmp_path: Path) -> None:
    place = tmp_path / "later" / "queues.sqlite3"
    reader = Reader(place, SETTINGS, reading_connection(SETTINGS))
    with pytest.raises(Unavailable):
        await reader.submit(probes)
    place.parent.mkdir()
    migrate_queues(place, SETTINGS)
    assert await reader.submit(probes) == 0
    await reader.shut()
