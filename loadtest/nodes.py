"""Several gateways on one data directory and one Redis, each to be killed by itself."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from loadtest.stack import POLL_S, READY_TIMEOUT_S, StackFailed, configuration, free_ports

STOP_TIMEOUT_S: Final = 20.0
MIGRATE_TIMEOUT_S: Final = 60.0
_ROOT = Path(__file__).resolve().parent.parent


class Nodes:
    """`bases` are the gateways' addresses, by index. Raises StackFailed when one does not start."""

    def __init__(self, directory: Path, count: int = 2) -> None:
        self._directory = directory
        self._ports = free_ports(2 * count)
        self.bases = [f"http://127.0.0.1:{port}" for port in self._ports[::2]]
        self._run = Path(tempfile.mkdtemp(prefix="ringline-nodes-"))
        self._socket = self._run / "redis.sock"
        self._log = directory / "nodes.log"
        self._redis: subprocess.Popen[bytes] | None = None
        self._gateways: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._stop()

    def kill(self, index: int) -> None:
        """kill -9, now."""
        self._gateways[index].send_signal(signal.SIGKILL)

    async def _start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._redis = self._spawn(_redis_command(self._socket))
        await self._until_listening()
        configs = [self._configure(index) for index in range(len(self.bases))]
        migrate = self._spawn(
            [sys.executable, "-m", "ringlined", "migrate", "--config", configs[0]]
        )
        if await asyncio.to_thread(migrate.wait, MIGRATE_TIMEOUT_S) != 0:
            raise StackFailed(self._log.read_text(errors="replace")[-2000:])
        for config in configs:
            command = [sys.executable, "-m", "ringlined", "gateway", "--config", config]
            self._gateways.append(self._spawn(command))
        await self._until_ready()

    def _configure(self, index: int) -> str:
        port, admin_port = self._ports[2 * index : 2 * index + 2]
        changes = {"registry": {"url": f"unix://{self._socket}"}}
        text = configuration(self._directory, (port, admin_port), changes)
        path = self._directory / f"node{index}.toml"
        path.write_text(text)
        return str(path)

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,
                start_new_session=True,
            )

    async def _until_listening(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
                probe.connect(str(self._socket))
                return
            if time.monotonic() > deadline:
                raise StackFailed("redis-server does not listen")
            await asyncio.sleep(POLL_S)

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            for admin_port in self._ports[1::2]:
                while not await _ready(http, admin_port):
                    if time.monotonic() > deadline:
                        raise StackFailed(self._log.read_text(errors="replace")[-2000:])
                    await asyncio.sleep(POLL_S)

    async def _stop(self) -> None:
        for process in (*self._gateways, *([self._redis] if self._redis else [])):
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._run, ignore_errors=True)


async def _ready(http: aiohttp.ClientSession, admin_port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{admin_port}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def _redis_command(path: Path) -> list[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise StackFailed("no redis-server program on this machine")
    return [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
