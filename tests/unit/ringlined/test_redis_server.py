import asyncio
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringlined.readiness import until
from ringlined.redis_server import find_redis, redis_answers, redis_command
from ringlined.run_directory import run_directory

DEADLINE_S = 20.0


@pytest.fixture
async def socket() -> AsyncIterator[Path]:
    program = find_redis()
    assert program, "redis-server is part of the test environment (scripts/setup.sh --for-tests)"
    with run_directory() as directory:
        socket = directory / "redis.sock"
        command = redis_command(program, socket, directory / "redis.log")
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL)
        try:
            assert await until(lambda: redis_answers(socket), DEADLINE_S)
            yield socket
        finally:
            process.terminate()
            await process.wait()


async def ask(socket: Path, command: str) -> list[str]:
    """A command in Redis' inline form, and the lines of its answer (an array of two texts)."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(f"{command}\r\n".encode())
    lines = [(await reader.readline()).decode().strip() for _ in range(5)]
    writer.close()
    await writer.wait_closed()
    return lines


async def test_it_forgets_nothing_and_writes_nothing(socket: Path) -> None:
    for key, value in {
        "maxmemory-policy": "noeviction",
        "save": "",
        "appendonly": "no",
        "port": "0",
    }.items():
        assert (await ask(socket, f"CONFIG GET {key}"))[-1] == value, key


async def test_only_this_user_may_speak_to_it(socket: Path) -> None:
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o077 == 0


async def test_nobody_answers_where_no_redis_is(tmp_path: Path) -> None:
    assert not await redis_answers(tmp_path / "nothing.sock")
