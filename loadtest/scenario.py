"""What every scenario is given, and how the server's side of a window is counted."""

import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.certificate import make_certificate
from loadtest.figures import Figure
from loadtest.process import Process, cpu_s
from loadtest.redis_wire import ask_redis
from loadtest.stack import Stack


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds`: how long is measured, all windows together. `tell` is progress for a person.

    `against`: the peer to measure beside, if any.
    """

    seconds: float
    tls: bool
    tell: Callable[[str], None]
    against: str | None = None

    @property
    def tls_text(self) -> str:
        return f"TLS {'on' if self.tls else 'off'}"


Scenario = Callable[[Options], Awaitable[list[Figure]]]


@dataclass(frozen=True, slots=True)
class Ground:
    """A running private stack."""

    stack: Stack
    trust: ssl.SSLContext | None
    certificate: str | None


@asynccontextmanager
async def ground(
    options: Options, changes: Mapping[str, Mapping[str, Any]] | None = None
) -> AsyncIterator[Ground]:
    """Start a stack, and leave nothing of it behind. `changes` of its configuration."""
    directory = Path(tempfile.mkdtemp(prefix="ringline-load-"))
    try:
        tls = make_certificate(directory) if options.tls else None
        trust = ssl.create_default_context(cafile=tls.certificate) if tls else None
        async with Stack(directory, tls=tls, changes=changes) as stack:
            yield Ground(stack, trust, str(tls.certificate) if tls else None)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Burnt:
    """CPU seconds of the server's processes in one window; `redis_s` is part of `all_s`."""

    all_s: float
    redis_s: float


class Meter:
    """Counts from its making to `read`. A process that died meanwhile spoils the window: it is named."""

    def __init__(self, stack: Stack) -> None:
        self._processes = stack.processes()
        redis = stack.role("redis")
        self._redis: list[Process] = [redis] if redis else []
        self._before = (cpu_s(self._processes), cpu_s(self._redis))

    def read(self) -> Burnt:
        dead = [process.command for process in self._processes if not process.alive()]
        if dead:
            raise RuntimeError(f"died while measured: {dead[0]}")
        return Burnt(cpu_s(self._processes) - self._before[0], cpu_s(self._redis) - self._before[1])


async def redis_memory_bytes(stack: Stack) -> int:
    """`used_memory` of the private Redis."""
    path = stack.redis_socket()
    if path is None:
        raise RuntimeError("the stack has no private Redis")
    text = await ask_redis(path, "INFO memory")
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(lines["used_memory"])
