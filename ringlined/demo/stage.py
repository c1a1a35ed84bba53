"""Where the demo plays: a stack that runs already, or a private one for the time of the demo."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from ringlined import lifeline
from ringlined.readiness import until
from ringlined.status import read_status
from ringlined.trial.program import StepFailed

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 20.0
LOG_CHARACTERS_MAX: Final = 1000


def running_server(data: Path) -> str | None:
    """The URL of the stack that runs on this data directory, if one does and is ready."""
    status = read_status(data)
    return status.url if status is not None and status.ready else None


@asynccontextmanager
async def private_stack(directory: Path) -> AsyncIterator[str]:
    """`ringlined up` on free ports: its URL. Raises StepFailed."""
    data, log = directory / "stack", directory / "stack.log"
    words = [sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid())]
    words += [sys.executable, "-m", "ringlined", "up", "--data", str(data)]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *[*words, "--port", "0", "--admin-port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        async def is_up() -> bool:
            return process.returncode is not None or running_server(data) is not None

        await until(is_up, START_TIMEOUT_S)
        url = running_server(data)
        if url is None:
            end = log.read_text(errors="replace")[-LOG_CHARACTERS_MAX:]
            raise StepFailed(f"the stack did not start within {START_TIMEOUT_S:.0f} s: {end}")
        yield url
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
