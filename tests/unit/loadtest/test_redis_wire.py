"""The two kinds of answer that the harness asks for, from a Redis of a few lines."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.redis_wire import ask_redis

ANSWERS = {
    b"FLUSHALL": b"+OK\r\n",
    b"DBSIZE": b":3\r\n",
    b"INFO memory": b"$20\r\nused_memory:7\r\nmore\r\r\n",
}


@pytest.fixture
async def redis() -> AsyncIterator[Path]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWERS[(await reader.readline()).strip()])
        await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "s"
        async with await asyncio.start_unix_server(serve, path):
            yield path


@pytest.mark.parametrize(
    ("command", "answer"),
    [("FLUSHALL", "+OK"), ("DBSIZE", ":3"), ("INFO memory", "used_memory:7\r\nmore\r")],
)
async def test_answers_are_read(redis: Path, command: str, answer: str) -> None:
    assert await ask_redis(redis, command) == answer


async def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await ask_redis(tmp_path / "none", "DBSIZE")
