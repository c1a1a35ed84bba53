"""A step and what came of it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct, field

from ringlined.trial.program import StepFailed

Figures = dict[str, Any]
WARNING: Final = "warning"
SKIPPED: Final = "skipped"
"""Figures whose text is shown as such."""


class Outcome(Struct, frozen=True, kw_only=True):
    step: str
    passed: bool
    seconds: float
    figures: Figures = field(default_factory=dict)
    problem: str | None = None
    advice: str = ""
    warning: str = ""
    """It passed, and yet."""
    skipped: str = ""
    """Why it was not tried; it has not failed then."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    act: Callable[[], Awaitable[Figures]]
    """Raises StepFailed."""


async def take(step: Step) -> Outcome:
    start = time.monotonic()
    problem, advice = None, ""
    figures: Figures = {}
    try:
        figures = await step.act()
    except StepFailed as error:
        problem, advice = str(error), error.advice
    warning, skipped = figures.pop(WARNING, ""), figures.pop(SKIPPED, "")
    return Outcome(
        step=step.name,
        passed=problem is None,
        seconds=round(time.monotonic() - start, 3),
        figures=figures,
        problem=problem,
        advice=advice,
        warning=warning,
        skipped=skipped,
    )
