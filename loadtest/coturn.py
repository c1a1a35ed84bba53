"""Debian's turnserver as a child of ours, on loopback, to be measured beside the relay."""

import asyncio
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loadtest import turn_wire
from loadtest.process import Process

HOST: Final = "127.0.0.1"
USERNAME: Final = "load"
PASSWORD: Final = "a password for loopback"  # noqa: S105 - of a server that lives for one run
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.1
_PORTS: Final = (20_000, 32_767)
"""Of relayed addresses; ours has the ones above."""


class CoturnFailed(Exception):
    """There is none, or it did not start; the text says what it said."""


def options(directory: Path, port: int) -> list[str]:
    """UDP alone, one user, peers on loopback; nothing but what the measurement needs."""
    return [
        "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay",
        "--no-multicast-peers", "--allow-loopback-peers", "--no-software-attribute",
        f"--listening-ip={HOST}", f"--relay-ip={HOST}", f"--listening-port={port}",
        f"--min-port={_PORTS[0]}", f"--max-port={_PORTS[1]}",
        "--lt-cred-mech", "--realm=load", f"--user={USERNAME}:{PASSWORD}",
        f"--pidfile={directory / 'turnserver.pid'}", f"--userdb={directory / 'turndb'}",
        "--log-file=stdout", "--no-stdout-log",
    ]  # fmt: skip


class Coturn:
    """Raises CoturnFailed on entry."""

    def __init__(self, directory: Path, port: int) -> None:
        self.port = port
        self._directory = directory
        self._log = directory / "coturn.log"
        self._child: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        program = shutil.which("turnserver", path="/usr/bin:/usr/local/bin:/usr/sbin")
        if program is None:
            raise CoturnFailed("turnserver is not installed (Debian's package coturn)")
        self._child = self._launch(program)
        try:
            await self._until_it_answers()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._end)

    def _launch(self, program: str) -> "subprocess.Popen[bytes]":
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [program, *options(self._directory, self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
            )

    @property
    def process(self) -> Process:
        if self._child is None:
            raise AssertionError("it has not been started")
        return Process(self._child.pid, "turnserver")

    async def _until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.connect((HOST, self.port))
            while not _answered(asker):
                ended = self._child is not None and self._child.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise CoturnFailed(self._log.read_text(errors="replace")[-2000:])
                await asyncio.sleep(POLL_S)

    def _end(self) -> None:
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _answered(asker: socket.socket) -> bool:
    """Whether one of the questions so far was answered; asks again if not."""
    try:
        asker.send(turn_wire.first_allocate())
        return turn_wire.read_reply(asker.recv(2048)).error == 401
    except (BlockingIOError, ConnectionRefusedError):
        return False
