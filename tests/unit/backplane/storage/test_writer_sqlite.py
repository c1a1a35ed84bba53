"""Group commit: who fails with whom, recovery, and the bound of the log."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest

from backplane.errors import Overloaded, StorageFull, Unavailable
from backplane.storage import connection_sqlite
from backplane.storage.connection_sqlite import log_path, writing_connection
from backplane.storage.queue_transaction_sqlite import QueueTransaction
from backplane.storage.schema_queues_sqlite import migrate_queues
from backplane.storage.settings import StorageSettings
from backplane.storage.writer_sqlite import Writer

SETTINGS = StorageSettings(busy_timeout_ms=50, call_timeout_s=10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "queues.sqlite3"
    migrate_queues(path, SETTINGS)
    return path


@asynccontextmanager
async def writing(
    path: Path,
    settings: StorageSettings = SETTINGS,
    connect: Callable[[Path], sqlite3.Connection] | None = None,
) -> AsyncIterator[Writer]:
    writer = Writer(path, settings, connect or writing_connection(settings))
    try:
        yield writer
    finally:
        await writer.shut()


def count(path: Path) -> int:
    """How many probes were committed."""
    with closing(sqlite3.connect(path)) as connection:
        (probes,) = connection.execute("SELECT count FROM probe").fetchone()
        return int(probes)


def spoil(transaction: QueueTransaction) -> None:
    """Writes something, and then is at fault."""
    transaction.probe()
    raise ZeroDivisionError


async def test_of_a_group_only_the_guilty_one_fails(path: Path) -> None:
    async with writing(path) as writer:
        works = [QueueTransaction.probe] * 9 + [spoil] + [QueueTransaction.probe] * 9
        answers = await asyncio.gather(*map(writer.submit, works), return_exceptions=True)
        assert [type(a) for a in answers] == [type(None)] * 9 + [ZeroDivisionError] + [
            type(None)
        ] * 9
        assert count(path) == 18
        await writer.submit(QueueTransaction.probe)


async def test_another_writer_makes_it_wait_and_then_refuse(path: Path) -> None:
    async with writing(path) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = await asyncio.gather(
                *(writer.submit(QueueTransaction.probe) for _ in range(5)), return_exceptions=True
            )
            assert all(isinstance(answer, Unavailable) for answer in answers)
            assert len({id(answer) for answer in answers}) == 5
            other.execute("COMMIT")
        await writer.submit(QueueTransaction.probe)
    assert count(path) == 1


async def test_it_waits_for_another_writer_that_is_quick(path: Path) -> None:
    patient = msgspec.structs.replace(SETTINGS, busy_timeout_ms=5000)
    async with writing(path, patient) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = writer.submit(QueueTransaction.probe)
            other.execute("UPDATE probe SET count = 10")
            other.execute("COMMIT")
            await waiting
    assert count(path) == 11


async def test_it_connects_anew_after_the_disk_failed(path: Path) -> None:
    opened: list[Path] = []

    def failing(place: Path) -> sqlite3.Connection:
        connection = writing_connection(SETTINGS)(place)
        if not opened:
            connection.execute("PRAGMA query_only=ON")
        opened.append(place)
        return connection

    async with writing(path, connect=failing) as writer:
        with pytest.raises(Unavailable):
            await writer.submit(QueueTransaction.probe)
        await writer.submit(QueueTransaction.probe)
        assert len(opened) == 2
    assert count(path) == 1


async def test_a_file_that_cannot_be_opened_is_unavailable_until_it_can(tmp_path: Path) -> None:
    place = tmp_path / "later" / "queues.sqlite3"
    async with writing(place) as writer:
        with pytest.raises(Unavailable):
            await writer.submit(QueueTransaction.probe)
        place.parent.mkdir()
        migrate_queues(place, SETTINGS)
        await writer.submit(QueueTransaction.probe)
    assert count(place) == 1


async def test_no_room_fails_those_who_need_it(path: Path) -> None:
    def connect(place: Path) -> sqlite3.Connection:
        connection = writing_connection(SETTINGS)(place)
        connection.execute("PRAGMA max_page_count=30")
        return connection

    def grow(transaction: QueueTransaction) -> None:
        transaction._connection.execute("CREATE TABLE big AS SELECT zeroblob(1000000)")

    async with writing(path, connect=connect) as writer:
        works = [QueueTransaction.probe, grow, QueueTransaction.probe]
        answers = await asyncio.gather(*map(writer.submit, works), return_exceptions=True)
        assert [type(answer) for answer in answers] == [type(None), StorageFull, type(None)]
    assert count(path) == 2


async def test_more_than_may_wait_is_refused(path: Path) -> None:
    few = msgspec.structs.replace(SETTINGS, pending_operations_max=2, busy_timeout_ms=5000)
    async with writing(path, few) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            accepted: list[asyncio.Future[None]] = []
            with pytest.raises(Overloaded):
                while len(accepted) < 10:
                    accepted.append(writer.submit(QueueTransaction.probe))
            assert writer.pending >= 2
            other.execute("COMMIT")
        await asyncio.gather(*accepted)
    assert count(path) == len(accepted) < 10


async def test_durable_and_written_ahead(path: Path) -> None:
    def pragma(name: str) -> Callable[[QueueTransaction], object]:
        return lambda t: t._connection.execute(f"PRAGMA {name}").fetchone()[0]

    async with writing(path) as writer:
        assert await writer.submit(pragma("journal_mode")) == "wal"
        assert await writer.submit(pragma("synchronous")) == 2


def grow_log(transaction: QueueTransaction) -> None:
    """About 200 kB in the log, whatever the size of the file."""
    run = transaction._connection.execute
    run("CREATE TABLE IF NOT EXISTS ballast (only INTEGER PRIMARY KEY, x)")
    run("REPLACE INTO ballast VALUES (1, randomblob(200000))")


BOUNDED = msgspec.structs.replace(SETTINGS, log_bytes_max=2_000_000, checkpoint_pages=50)


def read_without_pause(path: Path, stop: threading.Event) -> None:
    """Two readers in turn, each begins before the other ends: a checkpoint always meets one."""
    with ExitStack() as stack:
        readers = [
            stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            for _ in range(2)
        ]
        while not stop.is_set():
            for reader in readers:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM probe").fetchone()
                time.sleep(0.002)


LOG_BYTES = 4_000_000


@pytest.mark.timeout(400)
@pytest.mark.parametrize("log_bytes_max", [BOUNDED.log_bytes_max, 10**9])
async def test_the_log_is_bounded_under_readers_without_a_pause(
    path: Path, log_bytes_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Patience beyond the readers' turns, also where they wait for a busy processor.
    monkeypatch.setattr(connection_sqlite, "TRUNCATE_TIMEOUT_MS", 5_000)
    settings = msgspec.structs.replace(BOUNDED, log_bytes_max=log_bytes_max)
    stop = threading.Event()
    reading = asyncio.create_task(asyncio.to_thread(read_without_pause, path, stop))
    try:
        async with writing(path, settings) as writer:
            for _ in range(60):
                await writer.submit(grow_log)
            await writer.submit(QueueTransaction.probe)
            size_bytes = log_path(path).stat().st_size
            # On a busy processor a try at cutting may find no gap; the next one comes with more growth.
            for _ in range(300 if log_bytes_max == BOUNDED.log_bytes_max else 0):
                if size_bytes < LOG_BYTES:
                    break
                await writer.submit(grow_log)
                size_bytes = log_path(path).stat().st_size
    finally:
        stop.set()
        await reading
    # The second case shows that without the bound it would have grown.
    assert (size_bytes < LOG_BYTES) == (log_bytes_max == BOUNDED.log_bytes_max)


async def test_a_reader_that_never_lets_go_does_not_stop_commits(path: Path) -> None:
    async with writing(path, BOUNDED) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM probe").fetchone()
            for _ in range(20):
                await writer.submit(grow_log)
            assert log_path(path).stat().st_size > BOUNDED.log_bytes_max
        for _ in range(5):
            await writer.submit(grow_log)
        assert await settles(path, BOUNDED.log_bytes_max)


async def settles(path: Path, bytes_max: int) -> bool:
    """The log is cut after the answers are out: look until it is."""
    deadline = asyncio.get_running_loop().time() + 10
    while log_path(path).stat().st_size > bytes_max:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    return True


async def test_without_readers_the_log_stays_short(path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, checkpoint_pages=100)
    async with writing(path, settings) as writer:
        for _ in range(60):
            await writer.submit(grow_log)
        assert log_path(path).stat().st_size < 1_500_000
