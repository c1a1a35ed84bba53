"""What is answered is on the disk: crash, re-open, fsync before the answer, two processes."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from backplane.storage.device_queues import (
    Append,
    DeviceQueues,
    QueueEntry,
    SendCommitted,
    SequenceBroken,
)
from backplane.storage.open_sqlite import migrate, open_storage
from backplane.storage.records import NewDeviceRecord, Records
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

ROOT = Path(__file__).resolve().parents[3]
CHILD_TIMEOUT_S = 60
STRACE = ("strace", "-f", "-y", "-s", "64", "-e", "trace=pwrite64,pwritev,write,fsync,fdatasync")


@asynccontextmanager
async def opened(settings: StorageSettings) -> AsyncIterator[tuple[Records, DeviceQueues]]:
    migrate(settings)
    records, queues = open_storage(settings)
    try:
        yield records, queues
    finally:
        await records.shut()
        await queues.shut()


async def start_committer(
    settings: StorageSettings,
    sender: Address,
    conversation: UUID,
    *numbers: int,
    tag: str = "child",
    before: tuple[str, ...] = (),
) -> Process:
    """`numbers`: first sequence, count, in flight."""
    return await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-m",
        "tests.contract.storage.committer",
        settings.directory,
        str(sender.account),
        str(conversation),
        tag,
        *map(str, numbers),
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python/src'}", "PATH": "/usr/bin:/bin"},
        stdout=PIPE,
    )


async def test_what_was_committed_is_there_after_re_open(settings: StorageSettings) -> None:
    async with opened(settings) as (records, queues):
        sender, other = Address(await open_account(queues, 1), 1), await open_account(queues, 2)
        first = operation(sender, other, 1, payloads(other, 2, b"kept"))
        committed(await queues.send(first))
        await queues.change([], [Append(other, b"keyed", NOW + RETENTION, key=b"k")])
        made = await records.register(
            "+15550001", other, NewDeviceRecord("phone", 1, b"h" * 32), NOW
        )
    async with opened(settings) as (records, queues):
        assert await fetch(queues, Address(other, 2)) == (
            QueueEntry(1, b"kept"),
            QueueEntry(2, b"keyed"),
        )
        assert await queues.send(first) == SendCommitted(NOW, True, ())
        assert await queues.next_sequence(sender, other) == 2
        assert await queues.change([], [Append(other, b"x", NOW + 1, key=b"k")]) == ()
        assert await records.devices(other) == (made.device,)


@pytest.mark.parametrize("kill_after", [1, 40, 333])
async def test_kill_nine_loses_nothing_that_was_answered(
    settings: StorageSettings, kill_after: int
) -> None:
    async with opened(settings) as (_, queues):
        sender, other = Address(await open_account(queues, 1), 1), await open_account(queues, 1)
    child = await start_committer(settings, sender, other, 1, 1_000_000, 50)
    assert child.stdout is not None
    reported: list[int] = []
    async with asyncio.timeout(CHILD_TIMEOUT_S):
        while len(reported) < kill_after:
            reported.append(int(await child.stdout.readline()))
        child.kill()
        reported += map(int, (await child.stdout.read()).rpartition(b"\n")[0].split())
        await child.wait()
    assert child.returncode == -9
    async with opened(settings) as (_, queues):
        entries = await fetch(queues, Address(other, 1), limit=2_000_000)
        kept = [int(entry.payload.split()[1]) for entry in entries]
        assert set(reported) <= set(kept)
        assert kept == list(range(1, len(kept) + 1))
        assert [entry.position for entry in entries] == kept
        assert await queues.next_sequence(sender, other) == len(kept) + 1


async def test_the_log_is_synced_before_each_answer(
    settings: StorageSettings, tmp_path: Path
) -> None:
    count = 20
    async with opened(settings) as (_, queues):
        sender, other = Address(await open_account(queues, 1), 1), await open_account(queues, 1)
    trace = tmp_path / "trace"
    child = await start_committer(
        settings, sender, other, 1, count, 1, before=(*STRACE, "-o", str(trace))
    )
    async with asyncio.timeout(CHILD_TIMEOUT_S):
        out, _ = await child.communicate()
    assert child.returncode == 0
    assert out.split() == [b"%d" % n for n in range(1, count + 1)]
    assert answers_after_sync(trace.read_text()) == [True] * count


LOG = r"\(\d+<[^>]*queues\.sqlite3-wal>"
WRITTEN = re.compile(rf"(pwrite64|pwritev|write){LOG}")
SYNC_STARTED = re.compile(rf"^(\d+) .*f(data)?sync{LOG} <unfinished")
SYNCED = re.compile(rf"f(data)?sync{LOG}\)\s+= 0")
SYNC_RESUMED = re.compile(r"^(\d+) .*<\.\.\. f(data)?sync resumed>\)\s+= 0")
ANSWERED = re.compile(r'write\(1<[^>]*>, "\d+\\n"')


def answers_after_sync(trace: str) -> list[bool]:
    """For each answer: since the one before, the log was written, and synced after its last write.

    A sync counts when it has returned, a write when it has begun.
    """
    answers, written, synced = [], False, False
    syncing: set[str] = set()
    for line in trace.splitlines():
        if WRITTEN.search(line):
            written, synced = True, False
        elif started := SYNC_STARTED.search(line):
            syncing.add(started[1])
        elif resumed := SYNC_RESUMED.search(line):
            synced = synced or resumed[1] in syncing
            syncing.discard(resumed[1])
        elif SYNCED.search(line):
            synced = True
        elif ANSWERED.search(line):
            answers.append(written and synced)
            written, synced = False, False
    return answers


def test_a_missing_sync_would_be_seen() -> None:
    written = '7 pwrite64(9</d/queues.sqlite3-wal>, "x", 24, 0) = 24\n'
    sync = "7 fdatasync(9</d/queues.sqlite3-wal>) = 0\n"
    started = "7 fdatasync(9</d/queues.sqlite3-wal> <unfinished ...>\n"
    resumed = "7 <... fdatasync resumed>) = 0\n"
    answer = '8 write(1<pipe:[1]>, "12\\n", 3) = 3\n'
    assert answers_after_sync(written + sync + answer) == [True]
    assert answers_after_sync(written + started + resumed + answer) == [True]
    assert answers_after_sync(written + resumed + answer) == [False]
    assert answers_after_sync(written + answer + sync) == [False]
    assert answers_after_sync(written + started + answer + resumed) == [False]
    assert answers_after_sync(sync + written + answer) == [False]
    assert answers_after_sync(written + sync + answer + answer) == [True, False]
    assert answers_after_sync(written + sync.replace("= 0", "= -1 EIO") + answer) == [False]


async def test_two_adapters_on_one_file_share_its_order(settings: StorageSettings) -> None:
    async with opened(settings) as (_, one), opened(settings) as (_, two):
        other = await open_account(one, 1)
        senders = [Address(await open_account(one, 1), 1) for _ in range(4)]
        for number in range(1, 31):
            outcomes = await asyncio.gather(
                *(
                    adapter.send(operation(s, other, number, payloads(other, 1, str(s).encode())))
                    for adapter, s in zip((one, two, one, two), senders, strict=True)
                )
            )
            assert all(isinstance(outcome, SendCommitted) for outcome in outcomes)
        assert await positions(one, Address(other, 1)) == list(range(1, 121))
        assert await fetch(one, Address(other, 1), limit=200) == await fetch(
            two, Address(other, 1), limit=200
        )


async def test_a_retry_on_the_other_adapter_is_the_same_message(settings: StorageSettings) -> None:
    async with opened(settings) as (_, one), opened(settings) as (_, two):
        sender, other = Address(await open_account(one, 1), 1), await open_account(two, 1)
        first = operation(sender, other, 1, payloads(other, 1))
        outcomes = await asyncio.gather(*(q.send(first) for q in (one, two) * 10))
        assert sorted(committed(outcome).repeated for outcome in outcomes) == [False] + [True] * 19
        rivals = [operation(sender, other, 2, payloads(other, 1)) for _ in range(10)]
        outcomes = await asyncio.gather(
            *(q.send(rival) for q, rival in zip((one, two) * 5, rivals, strict=True))
        )
        assert outcomes.count(SequenceBroken(3)) == 9
        assert await positions(two, Address(other, 1)) == [1, 2]


async def test_two_processes_send_into_one_queue(settings: StorageSettings) -> None:
    count = 300
    async with opened(settings) as (_, queues):
        other = await open_account(queues, 1)
        senders = [Address(await open_account(queues, 1), 1) for _ in range(2)]
        children = [
            await start_committer(settings, sender, other, 1, count, 20, tag=f"from-{n}")
            for n, sender in enumerate(senders)
        ]
        async with asyncio.timeout(CHILD_TIMEOUT_S):
            outputs = await asyncio.gather(*(child.communicate() for child in children))
        assert [child.returncode for child in children] == [0, 0]
        entries = await fetch(queues, Address(other, 1), limit=2 * count + 1)
        assert [entry.position for entry in entries] == list(range(1, 2 * count + 1))
        for n, (out, _) in enumerate(outputs):
            own = [e.payload.split()[1] for e in entries if e.payload.startswith(b"from-%d" % n)]
            assert own == [b"%d" % k for k in range(1, count + 1)]
            assert sorted(map(int, out.split())) == list(range(1, count + 1))
