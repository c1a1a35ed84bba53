"""Migrating and opening: from nothing, again, at once, half-way, too new."""

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from backplane.errors import Unavailable
from backplane.storage.open_sqlite import (
    migrate,
    open_memory_storage,
    open_storage,
    pending_migrations,
)
from backplane.storage.settings import StorageSettings

STEPS = [
    "records r001: Accounts, devices, contacts, calls.",
    "records r002: Group calls and their members.",
    "queues device_queues_001",
]
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def settings(tmp_path: Path) -> StorageSettings:
    return StorageSettings(directory=str(tmp_path / "a % strange" / "data"))


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows}


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


async def test_migrate_takes_all_steps_once(settings: StorageSettings) -> None:
    assert pending_migrations(settings) == STEPS
    assert not Path(settings.directory).exists()
    assert migrate(settings) == STEPS
    assert pending_migrations(settings) == []
    assert migrate(settings) == []
    records, queues = open_storage(settings)
    await records.probe()
    await queues.probe()
    await records.shut()
    await queues.shut()


def test_what_is_not_migrated_is_not_opened(settings: StorageSettings) -> None:
    with pytest.raises(Unavailable, match="r002"):
        open_storage(settings)


def test_nobody_else_can_read_the_files(settings: StorageSettings) -> None:
    migrate(settings)
    for path in [Path(settings.directory), *Path(settings.directory).iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_many_at_once_migrate_once(settings: StorageSettings) -> None:
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(migrate, [settings] * 6))
    assert sorted(step for steps in taken for step in steps) == sorted(STEPS)
    assert pending_migrations(settings) == []


def test_processes_at_once_migrate_once(settings: StorageSettings) -> None:
    script = (
        "import sys; from backplane.storage.open_sqlite import migrate;"
        "from backplane.storage.settings import StorageSettings;"
        "print(*migrate(StorageSettings(directory=sys.argv[1])), sep='\\n', end='')"
    )
    command = [sys.executable, "-c", script, settings.directory]
    path = f"{ROOT}:{ROOT / 'clients/python/src'}"
    children = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": path}, cwd="/"
        )
        for _ in range(3)
    ]
    taken = [child.communicate(timeout=60)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert sorted(step for steps in taken for step in steps) == sorted(STEPS)


def test_a_step_that_fails_leaves_nothing(settings: StorageSettings) -> None:
    """The last table of each schema is in the way."""
    directory = Path(settings.directory)
    directory.mkdir(parents=True)
    execute(directory / "records.sqlite3", "CREATE TABLE calls (x)")
    with pytest.raises(Unavailable):
        migrate(settings)
    assert tables(directory / "records.sqlite3") <= {"calls", "alembic_version"}
    execute(directory / "records.sqlite3", "DROP TABLE calls")
    execute(directory / "queues.sqlite3", "CREATE TABLE probe (x)")
    with pytest.raises(sqlite3.OperationalError, match="probe"):
        migrate(settings)
    assert tables(directory / "queues.sqlite3") == {"probe"}
    execute(directory / "queues.sqlite3", "DROP TABLE probe")
    assert migrate(settings) == STEPS[2:]


def test_stores_of_a_newer_version_are_refused(settings: StorageSettings) -> None:
    migrate(settings)
    directory = Path(settings.directory)
    execute(directory / "queues.sqlite3", "PRAGMA user_version=99")
    for attempt in (migrate, open_storage, pending_migrations):
        with pytest.raises(Unavailable, match="newer"):
            attempt(settings)
    execute(directory / "queues.sqlite3", "PRAGMA user_version=1")
    execute(directory / "records.sqlite3", "UPDATE alembic_version SET version_num = 'r999'")
    for attempt in (migrate, open_storage, pending_migrations):
        with pytest.raises(Unavailable, match="newer"):
            attempt(settings)


def test_a_file_that_is_no_database_is_unavailable(settings: StorageSettings) -> None:
    migrate(settings)
    for name in ("queues.sqlite3", "records.sqlite3"):
        (Path(settings.directory) / name).write_bytes(b"not a database, not at all" * 100)
        with pytest.raises(Unavailable):
            open_storage(settings)
        with pytest.raises(Unavailable):
            migrate(settings)


async def test_records_may_live_elsewhere(settings: StorageSettings, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}"
    settings = StorageSettings(directory=settings.directory, records_url=url)
    migrate(settings)
    assert "accounts" in tables(tmp_path / "elsewhere.sqlite3")
    assert not (Path(settings.directory) / "records.sqlite3").exists()
    records, queues = open_storage(settings)
    await records.probe()
    await records.shut()
    await queues.shut()


async def test_memory_needs_no_migration() -> None:
    records, queues = open_memory_storage()
    await records.probe()
    await queues.probe()
