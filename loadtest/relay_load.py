"""The relay's load, from the side that gives the orders."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from loadtest.fleet import GeneratorFailed
from loadtest.relay_generator import AnyRelayOrder, RelayTally

ORDER_TIMEOUT_S: Final = 300.0
CLOSE_TIMEOUT_S: Final = 30.0
_ROOT = Path(__file__).resolve().parent.parent


class RelayLoad:
    """One generator process. Raises GeneratorFailed; the process' standard error says why."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtest.relay_generator"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def obey(self, order: AnyRelayOrder) -> RelayTally:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise GeneratorFailed("a generator that was not started")
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        try:
            async with asyncio.timeout(ORDER_TIMEOUT_S):
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (ConnectionError, TimeoutError) as error:
            raise GeneratorFailed(f"relay generator {process.pid}: {error!r}") from error
        if not line:
            raise GeneratorFailed(f"relay generator {process.pid} ended")
        return msgspec.json.decode(line, type=RelayTally)
