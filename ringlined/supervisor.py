"""Keeps the roles of `ringlined up` alive: each its own process, and one that dies comes back.

Roles start in order, each when the one before it is ready; they stop in the opposite order.
"""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from ringlined.exit_codes import ExitCode
from ringlined.readiness import until
from ringlined.restarts import Restarts
from ringlined.role import Role, start, stop

READY_TIMEOUT_S: Final = 30.0

_log = structlog.get_logger()


class RoleFailed(Exception):
    """The stack cannot start. `code` is what `ringlined up` should exit with."""

    def __init__(self, role: str, code: int) -> None:
        super().__init__(f"the {role} did not start (exit code {code})")
        self.role = role
        self.code = code


class Supervisor:
    """`on_change` is given the process ids by role whenever they change."""

    def __init__(
        self,
        roles: Sequence[Role],
        on_change: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self._roles = roles
        self._on_change = on_change
        self._processes: dict[str, Process] = {}
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def processes(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    async def start(self) -> None:
        """Returns when every role is ready. Raises RoleFailed; what was started is then stopped."""
        try:
            for role in self._roles:
                process = await self._start(role)
                await self._wait_ready(role, process)
                self._keepers.append(asyncio.create_task(self._keep(role, process)))
        except BaseException:
            await self.stop()
            raise

    async def _start(self, role: Role) -> Process:
        process = self._processes[role.name] = await start(role)
        self._on_change(self.processes)
        return process

    async def _wait_ready(self, role: Role, process: Process) -> None:
        waiting = asyncio.create_task(until(role.ready, READY_TIMEOUT_S))
        ending = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((waiting, ending), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                raise RoleFailed(role.name, ending.result())
            if not waiting.result():
                raise RoleFailed(role.name, ExitCode.UNAVAILABLE)
        finally:
            waiting.cancel()
            ending.cancel()

    async def _keep(self, role: Role, process: Process) -> None:
        clock = asyncio.get_running_loop().time
        restarts = Restarts()
        restarts.started(clock())
        while True:
            code = await process.wait()
            pause_s = restarts.died(clock())
            _log.warning("role died", name=role.name, exit_code=code, back_in_s=pause_s)
            await asyncio.sleep(pause_s)
            process = await self._start(role)
            restarts.started(clock())

    async def stop(self) -> None:
        """Last started, first stopped."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in reversed(list(self._processes.values())):
            await stop(process)
