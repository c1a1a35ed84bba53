"""A private Redis for the tests that need a real one, emptied for each."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

START_TIMEOUT_S = 10.0


def speak(path: Path, command: bytes) -> bytes:
    """One command to Redis, by hand: its client library belongs to the backplane."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(command + b"\r\n")
        return connection.recv(64)


@pytest.fixture(scope="session")
def redis_socket() -> Iterator[Path]:
    program = shutil.which("redis-server")
    assert program is not None, "these tests need the redis-server program"
    with tempfile.TemporaryDirectory(prefix="rl-") as folder:
        path = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([program, *options, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not path.exists():
                assert process.poll() is None, "redis-server ended"
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)
            yield path
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)


@pytest.fixture
def empty_redis_url(redis_socket: Path) -> str:
    assert speak(redis_socket, b"FLUSHALL") == b"+OK\r\n"
    return f"unix://{redis_socket}"
