"""The relay of the tests: its own process in the node's namespace, so that it can be weighed and killed."""

import itertools
import json
import re
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from tests.integration.turn.client import Client, Port
from tests.integration.turn.credentials import SECRET, Credential, credential
from tests.integration.turn.networks import NODE, WORLD, Namespace, Networks
from tests.integration.turn.wire import Host

ROOT: Final = Path(__file__).resolve().parents[3]
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0
ROOMY: Final = {"challenges_per_source_s": 100_000, "challenges_per_s": 100_000}
"""For tests that provoke many refusals without being about their budget."""


class Relay:
    """Made by `running`."""

    def __init__(self, networks: Networks, log: Path, settings: dict[str, Any]) -> None:
        self._node = networks.node
        self._world = networks.world
        self._log = log
        self._descriptors = settings.pop("descriptors_max", None)
        self._settings = {"host": NODE, "port": 3478, "admin_port": 9092, **settings}
        self._numbers = itertools.count()
        self._process: subprocess.Popen[str] | None = None
        self.bound: Host = ("", 0)
        self.admin: Host = ("", 0)

    def start(self) -> None:
        limit = [] if self._descriptors is None else ["prlimit", f"--nofile={self._descriptors}"]
        command = [*limit, sys.executable, "-m", "tests.integration.turn.run_relay"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._node.inside(*command, json.dumps(self._settings), SECRET),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        up = json.loads(self._line(START_TIMEOUT_S))
        self.bound = tuple(up["bound"])
        self.admin = tuple(up["admin"])

    def _line(self, timeout_s: float) -> str:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline() if selector.select(timeout_s) else ""
        assert line, f"the relay said nothing:\n{self.log_text()[-4000:]}"
        return line

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    def deadline(self, call: UUID, until_s: float) -> None:
        """Put the call's refresh deadline (UTC seconds) into the relay's registry."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"deadline {call} {int(until_s * 1000)}\n")
        self.process.stdin.flush()
        assert self._line(START_TIMEOUT_S) == "done\n"

    def log_text(self) -> str:
        return self._log.read_text()

    def errors(self) -> list[str]:
        """Log lines at error level, and what is no log line at all (a traceback)."""
        return [line for line in self.log_text().splitlines() if _is_wrong(line)]

    def alive(self) -> bool:
        return self.process.poll() is None

    def rss_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all of its series that have these labels."""
        total = 0.0
        for line in self._page("/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            wanted = [f'{key}="{text}"' for key, text in labels.items()]
            if series.partition("{")[0] == name and all(each in series for each in wanted):
                total += float(value)
        return total

    def _page(self, path: str) -> str:
        with closing(self._node.socket(None, kind=socket.SOCK_STREAM)) as connection:
            connection.settimeout(START_TIMEOUT_S)
            connection.connect(self.admin)
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            page = b""
            while part := connection.recv(65536):
                page += part
        return page.decode().partition("\r\n\r\n")[2]

    async def client(
        self,
        host: str = "",
        port: int = 0,
        *,
        who: Credential | None = None,
        on: Namespace | None = None,
    ) -> Client:
        """A new 5-tuple, of a new account unless `who` is given.

        Without `host`, from an address of its own: a port that an earlier test left may come again, and
        its allocation may still be there.
        """
        if not host:
            number = next(self._numbers)
            host = f"11.1.{100 + number // 250 % 100}.{1 + number % 250}"
        bound = (on or self._world).socket(host, port)
        return await Client.at(bound, self.bound, who or credential())

    async def peer(self, host: str = WORLD, port: int = 0, *, on: Namespace | None = None) -> Port:
        return await Port.open((on or self._world).socket(host, port))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)
        self._close_pipes()

    def stop(self) -> int:
        """In good order: its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.kill()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def _is_wrong(line: str) -> bool:
    try:
        level = json.loads(line)["level"]
    except (ValueError, KeyError, TypeError):
        return True
    return level in ("error", "critical")


@contextmanager
def running(networks: Networks, folder: Path, **settings: Any) -> Iterator[Relay]:
    """A relay with these settings (`descriptors_max` is of the process, not one of them); its log is free of errors at the end."""
    relay = Relay(networks, folder / "relay.log", settings)
    relay.start()
    try:
        yield relay
        assert relay.alive(), relay.log_text()[-4000:]
        assert relay.stop() == 0
        assert relay.errors() == []
    finally:
        if relay.alive():
            relay.kill()
