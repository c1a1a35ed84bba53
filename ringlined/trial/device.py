"""A device: a profile of the `ringline` program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ringlined.trial.program import Event, Run, run_ringline

SHORT_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Device:
    name: str
    profile: Path
    program: str
    server: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment, over our own."""
    listening: Run | None = None
    runs: list[Run] = field(default_factory=list)

    async def start(self, command: str, *arguments: str) -> Run:
        words = [command, *arguments, "--profile", str(self.profile), "--server", self.server]
        run = await run_ringline(self.program, [*words, "--json"], self.variables)
        self.runs.append(run)
        return run

    async def do(
        self, command: str, *arguments: str, timeout_s: float = SHORT_TIMEOUT_S
    ) -> list[Event]:
        """To its end: what it said. Raises StepFailed."""
        return await (await self.start(command, *arguments)).result(timeout_s)

    async def listen(self, *arguments: str) -> Run:
        """On line, with all that had waited. Raises StepFailed."""
        self.listening = await self.start("listen", *arguments)
        await self.listening.wait_for(
            "connection", lambda events: of_kind(events, "caught-up"), SHORT_TIMEOUT_S
        )
        return self.listening

    async def leave(self) -> None:
        if self.listening is not None:
            await self.listening.stop()
            self.listening = None

    async def stop(self) -> None:
        for run in self.runs:
            await run.stop()


def of_kind(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event.get("event") == kind]


def texts(events: Sequence[Event]) -> list[str]:
    """Of the messages, in the order they were shown."""
    return [event["text"] for event in of_kind(events, "message")]
