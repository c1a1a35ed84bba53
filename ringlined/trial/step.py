"""A step and what came of it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, field

from ringlined.trial.program import StepFailed

Figures = dict[str, Any]


class Outcome(Struct, frozen=True, kw_only=True):
    step: str
    passed: bool
    seconds: float
    figures: Figures = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    act: Callable[[], Awaitable[Figures]]
    """Raises StepFailed."""


async def take(step: Step) -> Outcome:
    start = time.monotonic()
    problem, figures = None, {}
    try:
        figures = await step.act()
    except StepFailed as error:
        problem = str(error)
    return Outcome(
        step=step.name,
        passed=problem is None,
        seconds=round(time.monotonic() - start, 3),
        figures=figures,
        problem=problem,
    )
