"""The bars of budgets.toml, and whether a run's figures stay within them."""

import tomllib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import msgspec

from loadtest.figures import Figure

BUDGETS = Path(__file__).with_name("budgets.toml")


class Of(Enum):
    OURS = "ours"
    RATIO = "ratio"


class Bar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of `at_most` and `at_least`. Raises ValueError otherwise."""

    scenario: str
    figure: str
    of: Of = Of.OURS
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"{self.scenario}/{self.figure}: one of at_most and at_least")

    @property
    def budget(self) -> float:
        return self.at_most if self.at_most is not None else self.at_least or 0.0

    def judge(self, figure: Figure) -> Figure:
        """`holds` stays None for a ratio that was not measured (no peer beside)."""
        value = figure.ours if self.of is Of.OURS else figure.ratio
        holds = None if value is None else self._within(value)
        return msgspec.structs.replace(figure, budget=self.budget, holds=holds)

    def _within(self, value: float) -> bool:
        return value <= self.budget if self.at_least is None else value >= self.budget


class _Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bar: list[Bar] = []


class Unmeasured(Exception):
    """A bar names a figure that the run did not give: it would never be checked."""


def read_bars(path: Path = BUDGETS) -> list[Bar]:
    """Raise msgspec.ValidationError or tomllib.TOMLDecodeError for a file that says something else."""
    return msgspec.convert(tomllib.loads(path.read_text()), _Budgets).bar


def judge(scenario: str, figures: Sequence[Figure], bars: Sequence[Bar]) -> list[Figure]:
    """Raise Unmeasured."""
    judged = {figure.name: figure for figure in figures}
    for bar in bars:
        if bar.scenario != scenario:
            continue
        if bar.figure not in judged:
            raise Unmeasured(f"{scenario}: no figure named {bar.figure!r}")
        judged[bar.figure] = bar.judge(judged[bar.figure])
    return list(judged.values())
