"""Plays the demo from the first step to the last, or to the first that fails."""

import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from ringlined.demo.clip import CREDIT
from ringlined.demo.stage import private_stack
from ringlined.demo.story import Story, cast
from ringlined.trial.program import find_ringline
from ringlined.trial.step import Figures, Outcome, Step, take

Say = Callable[[Outcome], None]


class Report(Struct, frozen=True, kw_only=True):
    passed: bool
    """Every step was taken and passed."""
    seconds: float
    server: str | None
    clip: str
    steps: list[Outcome]
    not_tried: list[str]


async def play(server: str | None, say: Say) -> Report:
    """On that server, else on a private stack. `say` is told of each step as it ends."""
    start = time.monotonic()
    async with AsyncExitStack() as cleanup:
        directory = Path(
            cleanup.enter_context(
                # A browser's last helper may still be writing into its profile.
                tempfile.TemporaryDirectory(prefix="ringline-demo-", ignore_cleanup_errors=True)
            )
        )
        stage = _Stage(server, directory, cleanup)
        outcomes: list[Outcome] = []
        todo = [Step("The stack starts" if server is None else "The stack is there", stage.open)]
        while todo:
            step = todo.pop(0)
            outcome = await take(step)
            outcomes.append(outcome)
            say(outcome)
            if not outcome.passed:
                break
            if len(outcomes) == 1:
                todo += stage.steps()
    return Report(
        passed=all(outcome.passed for outcome in outcomes),
        seconds=round(time.monotonic() - start, 3),
        server=stage.server,
        clip=CREDIT,
        steps=outcomes,
        not_tried=[step.name for step in todo],
    )


class _Stage:
    """The stack and the people on it; all are gone when `cleanup` is closed."""

    def __init__(self, server: str | None, directory: Path, cleanup: AsyncExitStack) -> None:
        self.server = server
        self._directory = directory
        self._cleanup = cleanup

    async def open(self) -> Figures:
        self._program = find_ringline()
        if self.server is None:
            stack = private_stack(self._directory)
            self.server = await self._cleanup.enter_async_context(stack)
        return {"server": self.server}

    def steps(self) -> list[Step]:
        assert self.server is not None
        people = cast(self._program, self.server, self._directory)
        for device in people.devices:
            self._cleanup.push_async_callback(device.stop)
        return Story(people).steps()
