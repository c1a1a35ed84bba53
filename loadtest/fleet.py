"""The generator's processes, from the side that gives the orders."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from loadtest.courier import Device
from loadtest.generator import AnyOrder, Enlist, Tally

PROCESSES = 2
ORDER_TIMEOUT_S = 300.0
CLOSE_TIMEOUT_S = 30.0
_LINE_BYTES_MAX = 64 * 2**20
_ROOT = Path(__file__).resolve().parent.parent


class GeneratorFailed(Exception):
    """A generator died or stayed silent; its standard error says why."""


class Fleet:
    """Enlists the pairs evenly on PROCESSES generators. Raises GeneratorFailed."""

    def __init__(
        self,
        bases: Sequence[str],
        pairs: Sequence[tuple[Device, Device]],
        certificate: str | None = None,
    ) -> None:
        self._orders = [
            Enlist(
                bases=list(bases),
                pairs=list(pairs[index::PROCESSES]),
                seed=index,
                certificate=certificate,
            )
            for index in range(PROCESSES)
        ]
        self.processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        for _ in self._orders:
            self.processes.append(await _start())
        await asyncio.gather(*map(_ask, self.processes, self._orders))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await asyncio.gather(*map(_end, self.processes))

    async def obey(self, order: AnyOrder) -> list[Tally]:
        """Every generator does it at the same time: what each came to."""
        tallies = await asyncio.gather(*(_ask(process, order) for process in self.processes))
        findings = [finding for tally in tallies for finding in tally.findings]
        if findings:
            raise GeneratorFailed(f"{len(findings)} findings, the first: {findings[0]}")
        return list(tallies)


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadtest.generator",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
        cwd=_ROOT,
    )


async def _ask(process: asyncio.subprocess.Process, order: AnyOrder) -> Tally:
    if process.stdin is None or process.stdout is None:
        raise GeneratorFailed("a generator without pipes")
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    try:
        async with asyncio.timeout(ORDER_TIMEOUT_S):
            await process.stdin.drain()
            line = await process.stdout.readline()
    except (ConnectionError, TimeoutError) as error:
        raise GeneratorFailed(f"generator {process.pid}: {error!r}") from error
    if not line:
        raise GeneratorFailed(f"generator {process.pid} ended")
    return msgspec.json.decode(line, type=Tally)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), CLOSE_TIMEOUT_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
