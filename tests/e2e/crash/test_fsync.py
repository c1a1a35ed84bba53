"""D1: strace of the gateway shows the write-ahead log synced before `sent` is on the socket."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtest.enrolment import enrol, numbers
from loadtest.journal import Journal
from loadtest.stack import Stack
from loadtest.trace import STRACE, check_synced, read_trace
from loadtest.wire import WireClient, open_http, until
from loadtest.witness import JournalWitness

MESSAGES = 25


@asynccontextmanager
async def traced(pid: int, out: Path) -> AsyncIterator[None]:
    """strace beside a running process, attached to all its threads."""
    command = [*STRACE, "-p", str(pid), "-o", str(out)]
    strace = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert strace.stderr is not None
    try:
        first = await asyncio.wait_for(strace.stderr.readline(), 30)
        assert b"attached" in first, first
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        await asyncio.wait_for(strace.communicate(), 30)


async def test_d1_sent_follows_the_fsync(stack: Stack, tmp_path: Path) -> None:
    gateway = stack.role("gateway")
    assert gateway is not None
    out = tmp_path / "trace"
    async with open_http() as http:
        devices = await enrol(http, stack.base, numbers(2))
        with Journal(tmp_path / "journal") as journal:
            witness = JournalWitness(journal)
            client = WireClient(http, [stack.base], devices[0], witness, random.Random(1))
            client.start()
            await until(lambda: client.courier.ready, 30, "connecting")
            sends = []
            async with traced(gateway.pid, out):
                for number in range(MESSAGES):
                    sends.append(client.send(devices[1], b"the body of number %06d" % number))
                    await until(lambda: witness.answers == len(sends), 30, "the answer")
            await client.close()
    calls = read_trace(out)
    for number, send in enumerate(sends):
        check_synced(calls, b"the body of number %06d" % number, send.id.bytes, "-wal")
