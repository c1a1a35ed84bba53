"""A bar fails what is past it, says nothing of what was not measured, and cannot be forgotten."""

from pathlib import Path

import msgspec
import pytest

from loadtest.budget import BUDGETS, Bar, Of, Unmeasured, judge, read_bars
from loadtest.figures import Figure

FIGURE = Figure(name="cpu", unit="µs", ours=100.0, peer=50.0, ratio=2.0)


@pytest.mark.parametrize(
    ("bar", "holds"),
    [
        (Bar(scenario="s", figure="cpu", at_most=100), True),
        (Bar(scenario="s", figure="cpu", at_most=99), False),
        (Bar(scenario="s", figure="cpu", at_least=100), True),
        (Bar(scenario="s", figure="cpu", at_least=101), False),
        (Bar(scenario="s", figure="cpu", of=Of.RATIO, at_most=2), True),
        (Bar(scenario="s", figure="cpu", of=Of.RATIO, at_most=1.9), False),
    ],
)
def test_a_bar_is_held_or_not(bar: Bar, holds: bool) -> None:
    (judged,) = judge("s", [FIGURE], [bar])
    assert (judged.budget, judged.holds) == (bar.budget, holds)


def test_a_ratio_without_a_peer_is_not_judged() -> None:
    alone = msgspec.structs.replace(FIGURE, peer=None, ratio=None)
    bar = Bar(scenario="s", figure="cpu", of=Of.RATIO, at_most=1)
    assert judge("s", [alone], [bar])[0].holds is None


def test_another_scenarios_bar_is_left_out() -> None:
    assert judge("s", [FIGURE], [Bar(scenario="t", figure="none", at_most=1)]) == [FIGURE]


def test_a_bar_on_no_figure_is_an_error() -> None:
    with pytest.raises(Unmeasured, match="'gone'"):
        judge("s", [FIGURE], [Bar(scenario="s", figure="gone", at_most=1)])


@pytest.mark.parametrize("bounds", ["", "at_most = 1\nat_least = 1", "at_most = 1\nmost = 2"])
def test_a_bar_with_no_single_bound_is_refused(tmp_path: Path, bounds: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(f'[[bar]]\nscenario = "s"\nfigure = "cpu"\n{bounds}\n')
    with pytest.raises(msgspec.ValidationError):
        read_bars(path)


def test_bars_are_read(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text('[[bar]]\nscenario = "s"\nfigure = "cpu"\nof = "ratio"\nat_least = 2\n')
    assert read_bars(path) == [Bar(scenario="s", figure="cpu", of=Of.RATIO, at_least=2)]


def test_the_shipped_file_is_valid() -> None:
    assert isinstance(read_bars(BUDGETS), list)
