"""A disk that fills up: nothing half-done, and the store works again by itself when room returns.

On a small tmpfs where mounting is permitted, and always on a file that SQLite may not let grow.
"""

import asyncio
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backplane.errors import StorageFull, WorldError
from backplane.storage.connection_sqlite import writing_connection
from backplane.storage.device_queues import Append, DeviceQueues, Removal
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.storage.device_queues_sqlite import SqliteDeviceQueues
from backplane.storage.open_sqlite import migrate
from backplane.storage.settings import StorageSettings
from ringline.protocol.types import Address
from tests.contract.storage.conftest import (
    NOW,
    RETENTION,
    committed,
    fetch,
    open_account,
    operation,
    payloads,
    positions,
)

BODY = b"b" * 20_000
SENDS_MAX = 2_000
DISK_BYTES = 4 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """4 MiB, or None where mounting is not permitted."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        yield None
        return
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def limited_pages(settings: StorageSettings) -> Callable[[Path], sqlite3.Connection]:
    def connect(path: Path) -> sqlite3.Connection:
        connection = writing_connection(settings)(path)
        connection.execute("PRAGMA max_page_count=400")
        return connection

    return connect


async def fill(queues: DeviceQueues, sender: Address, account: Address) -> int:
    """Send until it is refused: how many were committed."""
    for number in range(1, SENDS_MAX):
        try:
            committed(
                await queues.send(
                    operation(sender, account.account, number, payloads(account.account, 1, BODY))
                )
            )
        except WorldError:
            return number - 1
    raise AssertionError("the disk did not fill up")


async def check_nothing_half_done(
    queues: DeviceQueues, sender: Address, account: Address, count: int
) -> None:
    entries = [
        entry
        for after in range(0, count + 1, 20)
        for entry in await fetch(queues, account, after=after, limit=20)
    ]
    assert [entry.position for entry in entries] == list(range(1, count + 1))
    assert all(entry.payload == BODY for entry in entries)
    assert await queues.next_sequence(sender, account.account) == count + 1


async def test_a_file_that_may_not_grow(settings: StorageSettings) -> None:
    migrate(settings)
    path = Path(settings.directory) / "queues.sqlite3"
    queues = SqliteDeviceQueues(path, settings, limited_pages(settings))
    sender = Address(await open_account(queues, 1), 1)
    account = Address(await open_account(queues, 1), 1)
    count = await fill(queues, sender, account)
    assert count > 10
    await check_nothing_half_done(queues, sender, account, count)
    following = operation(sender, account.account, count + 1, payloads(account.account, 1, BODY))
    with pytest.raises(StorageFull):
        await queues.send(following)
    with pytest.raises(StorageFull):
        await queues.change([], [Append(account.account, BODY, NOW + RETENTION)])
    removal = Removal(account, tuple(range(1, 11)))
    too_much = Append(account.account, BODY * 200, NOW + RETENTION)
    # What makes room goes through, though it shares its group with what can never find enough.
    refused, freed = await asyncio.gather(
        queues.change([], [too_much]), queues.change([removal], []), return_exceptions=True
    )
    assert isinstance(refused, StorageFull)
    assert freed == ()
    assert not committed(await queues.send(following)).repeated
    assert (await positions(queues, account))[0] == 11
    await queues.shut()


async def test_a_disk_that_is_full(small_disk: Path | None, settings: StorageSettings) -> None:
    connect = None if small_disk else limited_pages(settings)
    directory = str(small_disk or settings.directory)
    settings = StorageSettings(directory=directory, checkpoint_pages=100)
    migrate(settings)
    queues = SqliteDeviceQueues(Path(directory) / "queues.sqlite3", settings, connect)
    sender = Address(await open_account(queues, 1), 1)
    account = Address(await open_account(queues, 1), 1)
    count = await fill(queues, sender, account)
    assert count > 10
    await check_nothing_half_done(queues, sender, account, count)
    following = operation(sender, account.account, count + 1, payloads(account.account, 1, BODY))
    with pytest.raises(WorldError):
        await queues.send(following)
    if small_disk is None:
        await queues.change([Removal(account, tuple(range(1, 11)))], [])
    else:
        await asyncio.to_thread(enlarge, small_disk)
    assert not committed(await queues.send(following)).repeated
    assert await queues.next_sequence(sender, account.account) == count + 2
    await queues.shut()


def enlarge(disk: Path) -> None:
    command = ["mount", "-o", f"remount,size={4 * DISK_BYTES}", str(disk)]
    subprocess.run(command, check=True, capture_output=True)


async def test_memory_that_may_not_grow() -> None:
    queues = MemoryDeviceQueues(payload_bytes_max=50 * len(BODY))
    sender = Address(await open_account(queues, 1), 1)
    account = Address(await open_account(queues, 1), 1)
    assert await fill(queues, sender, account) == 50
    await check_nothing_half_done(queues, sender, account, 50)
    append = Append(account.account, BODY, NOW + RETENTION, key=b"k")
    with pytest.raises(StorageFull):
        await queues.change([], [append])
    assert await queues.change([Removal(account, (1, 1, 99))], [append]) == (account,)
    await queues.change([Removal(account, (2,))], [])
    assert await queues.change([], [append]) == ()  # a key that is held adds nothing
    await queues.sweep(NOW + RETENTION, 1)
    following = operation(sender, account.account, 51, payloads(account.account, 1, BODY))
    assert not committed(await queues.send(following)).repeated
    await queues.close(account)
    other = Address(await open_account(queues, 1), 1)
    assert await fill(queues, sender, other) == 50
