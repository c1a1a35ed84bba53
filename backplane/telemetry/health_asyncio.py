"""Runs the probes of a node side by side, each within the deadline."""

import asyncio
from typing import Final

from backplane.telemetry.health import PROBES_MAX, HealthReport, Probe, ProbeReport

DEADLINE_S: Final = 2.0


class Health:
    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._probes: dict[str, Probe] = {}

    def add(self, name: str, probe: Probe) -> None:
        """Also replaces the probe of that name."""
        self._probes[name] = probe
        if len(self._probes) > PROBES_MAX:
            raise AssertionError("too many probes")

    async def check(self) -> HealthReport:
        """In the order the probes were added. Raises nothing of theirs."""
        reports = await asyncio.gather(*(self._run(*item) for item in self._probes.items()))
        return HealthReport(ready=all(report.ok for report in reports), probes=list(reports))

    async def _run(self, name: str, probe: Probe) -> ProbeReport:
        loop = asyncio.get_running_loop()
        start = loop.time()
        problem = None
        try:
            async with asyncio.timeout(self._deadline_s):
                await probe()
        except TimeoutError:
            problem = "timeout"
        except Exception as error:  # whatever a probe raises is its answer
            problem = type(error).__name__
        elapsed_ms = round((loop.time() - start) * 1000)
        return ProbeReport(name, problem is None, elapsed_ms, problem)
