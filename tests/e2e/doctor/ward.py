"""A stack in namespaces of its own, so that it can be broken for real: its network is a loopback of its
own, its data directory a small disk, its certificate made here.

Needs `unshare`, `nsenter`, `mount` (util-linux) and `ip` (iproute2), no privileges.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from loadtest.certificate import make_certificate
from ringlined.status import NAME, Status

DISK_MIB: Final = 96
START_TIMEOUT_S: Final = 60.0
DOCTOR_TIMEOUT_S: Final = 90.0
STOP_TIMEOUT_S: Final = 30.0
RELAY_PORT: Final = 3478
_ROOT: Final = Path(__file__).resolve().parents[3]
_PREPARE: Final = """
set -e
ip link set lo up
mount -t tmpfs -o size={size}m,mode=700 tmpfs {data}
echo ready
exec cat
"""


class Ward:
    """Made by `ward()`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mounted = directory / "data"
        self._config = directory / "ringline.toml"
        self._holder: subprocess.Popen[bytes]
        self._supervisor: subprocess.Popen[bytes]
        self.data: Path
        """The stack's data directory, as seen from out here."""

    async def open(self) -> None:
        self._prepare()
        self._launch()
        await self.until(self._is_up)

    def _prepare(self) -> None:
        self._mounted.mkdir()
        script = _PREPARE.format(size=DISK_MIB, data=self._mounted)
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--net", "--mount", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n", "no namespaces"
        self.data = Path(f"/proc/{self._holder.pid}/root{self._mounted}")
        self.certify()
        self._config.write_text(_configuration(self._directory, self._mounted))

    def _launch(self) -> None:
        with (self._directory / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "ringlined", "up", "--config", str(self._config)]
            self._supervisor = subprocess.Popen(
                self._inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=_ROOT
            )

    def close(self) -> None:
        self._supervisor.send_signal(signal.SIGCONT)
        self._supervisor.terminate()
        try:
            self._supervisor.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        self._holder.communicate(timeout=STOP_TIMEOUT_S)

    def _inside(self, *command: str) -> list[str]:
        enter = ["nsenter", "--target", str(self._holder.pid), "--user", "--net", "--mount"]
        return [*enter, "--preserve-credentials", "--", *command]

    # How it is.

    def status(self) -> Status:
        return msgspec.json.decode((self.data / NAME).read_bytes(), type=Status)

    async def _is_up(self) -> bool:
        assert self._supervisor.poll() is None, (self._directory / "up.log").read_text()
        return (self.data / NAME).exists() and self.status().ready

    async def until(self, check: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await check():  # noqa: ASYNC110 - in other processes
                await asyncio.sleep(0.1)

    async def is_ready(self, role: str) -> bool:
        """As its port for health says."""
        return await self.fetch(role, "/readyz") is not None

    async def fetch(self, role: str, path: str) -> str | None:
        """From its port for health, asked from in there; None: no good answer."""
        url = f"{self.status().admin_urls[role]}{path}"
        script = f"import urllib.request as r; print(r.urlopen('{url}', timeout=3).read().decode())"
        asking = await asyncio.create_subprocess_exec(
            *self._inside(sys.executable, "-I", "-S", "-c", script),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        answer, _ = await asking.communicate()
        return answer.decode() if asking.returncode == 0 else None

    def minted_accounts(self) -> int:
        """What the doctor left behind. Asked in there: SQLite looks through /proc's links."""
        select = "SELECT count(*) FROM accounts WHERE number LIKE '+999%'"
        script = (
            f"import sqlite3; c = sqlite3.connect({str(self._mounted / 'records.sqlite3')!r}); "
            f"print(c.execute({select!r}).fetchone()[0])"
        )
        command = self._inside(sys.executable, "-I", "-S", "-c", script)
        return int(subprocess.run(command, check=True, timeout=30, stdout=subprocess.PIPE).stdout)

    # What is done to it.

    def certify(self, age: timedelta = timedelta(hours=1)) -> None:
        """A new certificate, good for a day from `age` ago."""
        make_certificate(self._directory, age, timedelta(days=1))

    def send(self, role: str, number: signal.Signals) -> None:
        os.kill(self.status().roles[role], number)

    def freeze_supervisor(self) -> None:
        """Nothing that dies comes back meanwhile."""
        self._supervisor.send_signal(signal.SIGSTOP)

    def thaw_supervisor(self) -> None:
        self._supervisor.send_signal(signal.SIGCONT)

    async def restart(self, role: str) -> None:
        """Killed, and back by the supervisor's hand."""
        before = self.status().roles[role]
        self.send(role, signal.SIGKILL)

        async def is_back() -> bool:
            return self.status().roles[role] != before and await self.is_ready(role)

        await self.until(is_back)

    def route(self, verb: str) -> None:
        """`add`: what the relay answers vanishes on the way; `del`: no more."""
        rule = f"rule {verb} pref 1 ipproto udp sport {RELAY_PORT} blackhole"
        if verb == "add":  # the rule of local addresses stands first, and first it stays otherwise
            self._ip("rule add pref 9 lookup local")
            self._ip("rule del pref 0 lookup local")
        self._ip(rule)

    def _ip(self, text: str) -> None:
        subprocess.run(self._inside("ip", *text.split()), check=True, timeout=10)

    def fill_disk(self) -> None:
        with (self.data / "ballast").open("wb") as file:
            try:
                while True:
                    file.write(bytes(1024 * 1024))
                    file.flush()
            except OSError:
                return

    def empty_disk(self) -> None:
        (self.data / "ballast").unlink()

    # The doctor.

    async def examine(self) -> "Visit":
        findings = self._directory / "findings.json"
        findings.unlink(missing_ok=True)
        command = [sys.executable, "-m", "ringlined", "doctor", "--data", str(self._mounted)]
        start = time.monotonic()
        doctor = await asyncio.create_subprocess_exec(
            *self._inside(*command, "--json", str(findings)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=_ROOT,
            env={**os.environ, "COLUMNS": "200"},
        )
        output, _ = await asyncio.wait_for(doctor.communicate(), DOCTOR_TIMEOUT_S)
        assert doctor.returncode is not None
        seconds = time.monotonic() - start
        text = output.decode()
        assert findings.exists(), text
        return Visit(doctor.returncode, text, json.loads(findings.read_text()), seconds)


class Visit:
    def __init__(self, code: int, text: str, findings: dict[str, Any], seconds: float) -> None:
        self.code = code
        self.text = text
        self.findings = findings
        self.seconds = seconds


@asynccontextmanager
async def ward(directory: Path) -> AsyncIterator[Ward]:
    made = Ward(directory)
    await made.open()
    try:
        yield made
    finally:
        made.close()


def _configuration(directory: Path, data: Path) -> str:
    return f"""
[gateway]
certificate_file = "{directory / "certificate.pem"}"
private_key_file = "{directory / "key.pem"}"
[relay]
announce_s = 1
[sfu]
announce_s = 1
[storage]
directory = "{data}"
[telemetry]
log_level = "warning"
"""
