"""Runs the `ringline` program and reads what it says: one JSON object per line."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from ringlined import lifeline

EVENTS_MAX: Final = 10_000
"""Lines kept of one run; one that says more has gone wrong."""
LINE_BYTES_MAX: Final = 1024 * 1024
COMPLAINT_LINES_MAX: Final = 6
STOP_TIMEOUT_S: Final = 8.0

Event = dict[str, Any]
T = TypeVar("T")


class StepFailed(Exception):
    """What went wrong, in a sentence for whoever watches; `advice`: what may help."""

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.advice = advice


def find_ringline() -> str:
    """The program beside this interpreter, else on the PATH. Raises StepFailed."""
    beside = Path(sys.executable).with_name("ringline")
    found = str(beside) if beside.exists() else shutil.which("ringline")
    if found is None:
        raise StepFailed("the `ringline` program is not installed: pip install 'ringline[all]'")
    return found


class Run:
    """One run of the program. Collects its events until it ends."""

    def __init__(self, words: str, process: Process) -> None:
        self._words = words
        self._process = process
        self.events: list[Event] = []
        self._complaints: deque[str] = deque(maxlen=COMPLAINT_LINES_MAX)
        self._news = asyncio.Event()
        self._said_all = False
        self._readers = [
            asyncio.create_task(self._read_events()),
            asyncio.create_task(self._read_complaints()),
        ]

    async def _read_events(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                self._take(line)
        finally:
            self._said_all = True
            self._news.set()

    def _take(self, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            self._complaints.append(line.decode(errors="replace").strip())
            return
        if isinstance(event, dict) and len(self.events) < EVENTS_MAX:
            self.events.append(event)
            self._news.set()

    async def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            text = line.decode(errors="replace").strip()
            if text:
                self._complaints.append(text)

    async def wait_for(self, what: str, test: Callable[[list[Event]], T], timeout_s: float) -> T:
        """Until `test` of all events so far gives something true: that. Raises StepFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._news.clear()
                    if found := test(self.events):
                        return found
                    if self._said_all:
                        self._fail(f"ended without {what}")
                    await self._news.wait()
        except TimeoutError:
            self._fail(f"no {what} within {timeout_s:.0f} s")

    async def result(self, timeout_s: float) -> list[Event]:
        """Its events, once it ended well. Raises StepFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._readers)
                code = await self._process.wait()
        except TimeoutError:
            await self.stop()
            self._fail(f"did not end within {timeout_s:.0f} s")
        if code != 0:
            self._fail(f"exit code {code}")
        return self.events

    async def finish(self) -> None:
        """Let it go: as Ctrl-C does, and it says its last words. Raises StepFailed as `result`."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        await self.result(STOP_TIMEOUT_S)

    async def stop(self) -> None:
        """As Ctrl-C would; then with force."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _fail(self, why: str) -> NoReturn:
        said = " / ".join(self._complaints)
        raise StepFailed(f"`{self._words}`: {why}" + (f": {said}" if said else ""))


async def run_ringline(
    program: str, arguments: list[str], variables: Mapping[str, str] | None = None
) -> Run:
    lifeline_words = [sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid())]
    process = await asyncio.create_subprocess_exec(
        *lifeline_words,
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        limit=LINE_BYTES_MAX,
        env={**os.environ, **(variables or {})},
        start_new_session=True,
    )
    return Run(f"ringline {arguments[0]}", process)
