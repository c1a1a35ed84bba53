"""One supervised process: how it is started and stopped, and how one knows that it is ready."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringlined import lifeline
from ringlined.readiness import Check

STOP_TIMEOUT_S: Final = 15.0
"""After SIGTERM; then SIGKILL. Longer than a gateway takes to say good-bye to everyone."""


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    command: Sequence[str]
    ready: Check
    log: Path | None = None
    """Where what it says goes, at the end of the file; None: to our own output."""


async def start(role: Role) -> Process:
    """In a session of its own, so that Ctrl-C reaches the supervisor alone."""
    wrapper = [sys.executable, "-I", "-S", str(Path(lifeline.__file__)), str(os.getpid())]
    with nullcontext() if role.log is None else role.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *wrapper,
            *role.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
