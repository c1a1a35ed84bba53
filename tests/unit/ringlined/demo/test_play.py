from pathlib import Path

import pytest
from rich.console import Console

from ringlined.demo import play as module
from ringlined.demo.play import Report, play
from ringlined.demo.show import advise, show_report, show_step, what_next
from ringlined.demo.stage import running_server
from ringlined.trial.program import StepFailed
from ringlined.trial.step import Outcome


def unreachable() -> str:
    raise StepFailed("no program here")


async def test_the_first_failure_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_ringline", unreachable)
    said: list[Outcome] = []
    report = await play("http://127.0.0.1:1", said.append)
    assert not report.passed
    assert [outcome.problem for outcome in said] == ["no program here"]
    assert report.steps == said


async def test_a_server_that_is_not_there_fails_with_advice() -> None:
    report = await play("http://127.0.0.1:1", lambda _: None)
    assert not report.passed
    assert [outcome.passed for outcome in report.steps] == [True, False]
    assert report.steps[1].problem is not None
    assert len(report.not_tried) == 8
    assert advise(report.steps[1].problem), report.steps[1].problem


def report(*outcomes: Outcome, not_tried: tuple[str, ...] = ()) -> Report:
    return Report(
        passed=all(outcome.passed for outcome in outcomes),
        seconds=3.0,
        server="http://127.0.0.1:8080",
        clip="a clip",
        steps=list(outcomes),
        not_tried=list(not_tried),
    )


def shown(value: Report) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        for outcome in value.steps:
            show_step(console, outcome)
        show_report(console, value)
    return capture.get()


def test_the_table_has_every_step_and_the_call() -> None:
    side = {"frames": 132, "audio_s": 5.3, "mos": None}
    call = Outcome(
        step="A video call",
        passed=True,
        seconds=7,
        figures={"ann": side, "bob": side, "answered_ms": 80, "in_order": True},
    )
    text = shown(report(call))
    for part in (
        "A video call",
        "7.00",
        "answered ms 80",
        "in order yes",
        "Ann",
        "Bob",
        "132",
        "–",
    ):
        assert part in text
    assert "All 1 steps passed" in text


def test_a_failure_says_why_and_what_was_not_tried() -> None:
    failed = Outcome(step="register", passed=False, seconds=1, problem="[x] Too many requests")
    text = shown(report(failed, not_tried=("call",)))
    assert "[x] Too many requests" in text
    assert "A limit was reached" in text
    assert "not tried" in text
    assert "The demo failed" in text


def test_a_warning_is_shown_with_the_step_that_passed() -> None:
    warned = Outcome(step="three people", passed=True, seconds=1, warning="no Chromium")
    text = shown(report(warned))
    assert "no Chromium" in text
    assert "All 1 steps passed" in text


def test_what_to_try_next_names_the_server_that_runs() -> None:
    assert "--server http://127.0.0.1:8080" in what_next(report(), private=False)
    assert "ringlined up" in what_next(report(), private=True)


def test_no_stack_runs_on_an_empty_directory(tmp_path: Path) -> None:
    assert running_server(tmp_path) is None
