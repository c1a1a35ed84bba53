"""A private stack to measure and to kill: `ringlined up` on free ports and a directory of its own.

It runs in its own session; everything is ended by process id, never by name.
"""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec

from loadtest.enrolment import TEST_CODE, TEST_PREFIX
from loadtest.process import Process, descendants

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 40.0
POLL_S: Final = 0.05
_LIMITS: Final = ("tokens_per_address_minute", "tokens_per_device_hour")
"""Registering test numbers is in no budget; buying tokens is."""
_ROOT = Path(__file__).resolve().parent.parent


class StackFailed(Exception):
    """The stack did not start or did not come back; the text holds the end of its log."""


class _Status(msgspec.Struct):
    """What `ringlined up` leaves in its data directory for others to find."""

    supervisor: int
    roles: dict[str, int]
    ready: bool


@dataclass(frozen=True, slots=True)
class Tls:
    certificate: Path
    key: Path


def free_ports(count: int) -> list[int]:
    """Free at this moment on loopback, all different."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


def configuration(
    directory: Path,
    ports: tuple[int, int],
    changes: Mapping[str, Mapping[str, Any]],
) -> str:
    """TOML. `ports`: for clients, for health. Every limit on how fast one address may knock is far above what the load does."""
    tables: dict[str, dict[str, Any]] = {
        "gateway": {
            "port": ports[0],
            "admin_port": ports[1],
            "account_frames_per_s": 1_000_000,
            "account_frames_burst": 1_000_000,
            "address_requests_per_s": 1_000_000,
            "address_requests_burst": 1_000_000,
            "anonymous_connections_per_address_max": 20_000,
        },
        "sfu": {"media_port": 0, "signalling_port": 0, "admin_port": 0},
        "relay": {"port": 0, "admin_port": 0},
        "messaging": {
            "allow_unsealed": True,
            "test_numbers": {},
            "test_prefix": TEST_PREFIX,
            "test_prefix_code": TEST_CODE,
            "limits": dict.fromkeys(_LIMITS, 1_000_000),
        },
        "storage": {"directory": str(directory)},
        "telemetry": {"log_level": "warning"},
    }
    for table, keys in changes.items():
        tables.setdefault(table, {}).update(keys)
    return _toml(tables)


def _toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ['environment = "development"']
    for name, keys in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(k)} = {_value(v)}" for k, v in value.items()) + "}"
    return msgspec.json.encode(value).decode()


class Stack:
    """`changes` by table and key go into the configuration over the harness' own."""

    def __init__(
        self,
        directory: Path,
        *,
        tls: Tls | None = None,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.directory = directory
        self.port, self.admin_port = free_ports(2)
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.log = directory / "up.log"
        self._config = directory / "ringline.toml"
        self._changes = {name: dict(keys) for name, keys in (changes or {}).items()}
        if tls is not None:
            files = {"certificate_file": str(tls.certificate), "private_key_file": str(tls.key)}
            self._changes.setdefault("gateway", {}).update(files)
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._leftovers: set[Path] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when every role is ready. Raise StackFailed."""
        self.directory.mkdir(parents=True, exist_ok=True)
        ports = (self.port, self.admin_port)
        text = configuration(self.directory, ports, self._changes)
        self._config.write_text(text)
        self._launch()
        try:
            await self.ready()
        except BaseException:
            await self.stop()
            raise
        self._leftovers |= {path.parent for path in [self.redis_socket()] if path}

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "ringlined", "up", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,
                start_new_session=True,
            )

    async def ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the gateway says so. Raise StackFailed."""
        deadline = time.monotonic() + timeout_s
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            while not await self._is_ready(http):
                ended = self._supervisor is not None and self._supervisor.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise StackFailed(f"not ready within {timeout_s} s\n{self._log_end()}")
                await asyncio.sleep(POLL_S)

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        status = self._status()
        if status is None or not status.ready or "gateway" not in status.roles:
            return False
        try:
            async with http.get(f"http://127.0.0.1:{self.admin_port}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def _status(self) -> _Status | None:
        """None while the supervisor that we started has left no note."""
        try:
            note = (self.directory / "ringlined.json").read_bytes()
            status = msgspec.json.decode(note, type=_Status)
        except (OSError, msgspec.MsgspecError):
            return None
        ours = self._supervisor is not None and status.supervisor == self._supervisor.pid
        return status if ours else None

    def processes(self) -> list[Process]:
        """Every live process of the stack, the supervisor first."""
        return descendants(self._supervisor.pid) if self._supervisor is not None else []

    def role(self, name: str) -> Process | None:
        """The live process of a role (`gateway`, `redis`)."""
        status = self._status()
        pid = status.roles.get(name) if status is not None else None
        return next((each for each in self.processes() if each.pid == pid), None)

    def redis_socket(self) -> Path | None:
        """The private Redis' unix socket, out of its command line."""
        redis = self.role("redis")
        for word in redis.command.split() if redis is not None else ():
            path = Path(word.removeprefix("unixsocket:"))
            if path.is_absolute() and path.is_socket():
                return path
        return None

    def kill(self, name: str) -> int:
        """kill -9 of a role, now: its process id. Raise StackFailed when it is not running."""
        process = self.role(name)
        if process is None:
            raise StackFailed(f"no {name} is running\n{self._log_end()}")
        process.kill()
        return process.pid

    def kill_all(self) -> None:
        """kill -9 of everything at once."""
        supervisor, processes = self._supervisor, self.processes()
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
        if supervisor is not None:
            supervisor.wait(STOP_TIMEOUT_S)
        self._supervisor = None

    async def stop(self) -> None:
        """SIGTERM to the supervisor; what is still there after STOP_TIMEOUT_S is killed."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._supervisor.wait, STOP_TIMEOUT_S)
            self.kill_all()
        for leftover in self._leftovers:
            shutil.rmtree(leftover, ignore_errors=True)
        self._leftovers.clear()
