"""What the world does to the records, told in the backplane's words; and the other dialect."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from backplane.errors import StorageFull, Unavailable
from backplane.storage.open_sqlite import migrate, open_records
from backplane.storage.records import NewDeviceRecord
from backplane.storage.records_sql import SqlRecords
from backplane.storage.records_tables import metadata
from backplane.storage.settings import StorageSettings
from ringline.protocol.types import Address, ContactState

DIALECT = sa.make_url("postgresql+psycopg://").get_dialect()()
DEVICE = NewDeviceRecord("phone", 1, b"h" * 32)


@pytest.fixture
def settings(tmp_path: Path) -> StorageSettings:
    settings = StorageSettings(directory=str(tmp_path), busy_timeout_ms=50, call_timeout_s=0.5)
    migrate(settings)
    return settings


@pytest.fixture
def path(settings: StorageSettings) -> Path:
    return Path(settings.directory) / "records.sqlite3"


@pytest.fixture
async def records(settings: StorageSettings) -> AsyncIterator[SqlRecords]:
    records = open_records(settings)
    yield records
    await records.shut()


async def test_a_locked_file_is_unavailable_for_writing_alone(
    records: SqlRecords, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await records.register("+15550001", uuid4(), DEVICE, 1)
        assert await records.accounts_by_number(["+15550001"]) == {}
        other.execute("COMMIT")
    await records.register("+15550001", uuid4(), DEVICE, 1)


async def test_the_deadline_holds_while_others_write(settings: StorageSettings, path: Path) -> None:
    slow = StorageSettings(directory=settings.directory, busy_timeout_ms=1500, call_timeout_s=0.1)
    records = open_records(slow)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(
            *(records.raise_contact(uuid4(), uuid4(), ContactState.ACCEPTED, 1) for _ in range(20)),
            return_exceptions=True,
        )
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert asyncio.get_running_loop().time() - started < 5
        other.execute("COMMIT")
    async with asyncio.timeout(10):
        while True:
            try:
                await records.register("+15550001", uuid4(), DEVICE, 1)
                break
            except Unavailable:
                continue
    await records.shut()


async def test_no_room_is_storage_full_and_passes(settings: StorageSettings) -> None:
    limited = [True]
    records = open_records(settings)

    @sa.event.listens_for(records.engine.sync_engine, "checkout")
    def _(connection: sqlite3.Connection, *_: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={1 if limited[0] else 100_000}")
        cursor.close()

    pair = tuple(sorted((uuid4(), uuid4())))
    with pytest.raises(StorageFull):
        await records.commit_call((pair[0], pair[1]), 0, b"d" * 200_000, [], None)
    assert (await records.call_pair((pair[0], pair[1]))).version == 0
    limited[0] = False
    assert await records.commit_call((pair[0], pair[1]), 0, b"d" * 200_000, [], None)
    await records.shut()


async def test_a_failed_step_leaves_nothing(records: SqlRecords, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER no BEFORE INSERT ON devices BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    account = uuid4()
    with pytest.raises(sa.exc.IntegrityError):
        await records.register("+15550001", account, DEVICE, 1)
    assert await records.account(account) is None
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TRIGGER no")
    await records.register("+15550001", account, DEVICE, 1)
    assert await records.device(Address(account, 1)) is not None


async def test_commits_are_durable(records: SqlRecords) -> None:
    async with records.engine.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar() == "wal"


def test_the_tables_can_be_made_on_postgresql() -> None:
    for table in metadata.sorted_tables:
        made = str(sa.schema.CreateTable(table).compile(dialect=DIALECT))
        assert "BYTEA" in made
        assert "BLOB" not in made
