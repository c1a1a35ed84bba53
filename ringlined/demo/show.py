"""What the demo prints: a line per step as it happens, a table at the end, what to try next."""

from typing import Any, Final

from rich.console import Console
from rich.table import Table

from ringlined.demo.clip import CREDIT
from ringlined.demo.play import Report
from ringlined.trial.step import Outcome

CALL_SIDES: Final = ("ann", "bob")
ADVICE: Final = (
    ("not a phone number", "The demo uses development's test numbers (+1555…)."),
    ("code is wrong", "The demo uses development's test numbers (+1555…), whose code is 000000."),
    (
        "sealed messages only",
        "The server takes sealed messages only: messaging.allow_unsealed is false.",
    ),
    ("Too many requests", "A limit was reached; wait as long as it says, then try again."),
    ("cannot be reached", "Nothing answers there: is the stack up? Try `ringlined up`."),
)
"""Part of a complaint: what may help."""


def show_step(console: Console, outcome: Outcome) -> None:
    mark = "[green]✓[/]" if outcome.passed else "[red]✗[/]"
    console.print(f"{mark} {outcome.step}  [dim]{outcome.seconds:.2f} s[/]", highlight=False)
    if outcome.warning:
        console.print(f"    {outcome.warning}", style="yellow", markup=False, highlight=False)
    if outcome.problem is not None:
        console.print(f"    {outcome.problem}", style="red", markup=False, highlight=False)
        for advice in advise(outcome.problem):
            console.print(f"    {advice}", highlight=False)


def advise(problem: str) -> list[str]:
    return [advice for part, advice in ADVICE if part.lower() in problem.lower()]


def show_report(console: Console, report: Report) -> None:
    console.print()
    console.print(_steps(report))
    call = next((o.figures for o in report.steps if "ann" in o.figures), None)
    if call is not None:
        console.print(_call(call))
        console.print(f"The clip: {CREDIT}", style="dim", highlight=False)
    if report.passed:
        console.print(f"\nAll {len(report.steps)} steps passed in {report.seconds:.1f} s.")
    else:
        console.print(f"\n[red]The demo failed[/] after {report.seconds:.1f} s.")


def _steps(report: Report) -> Table:
    table = Table("step", "", "seconds", "what came of it", box=None, pad_edge=False)
    for outcome in report.steps:
        plain = {k: v for k, v in outcome.figures.items() if k not in CALL_SIDES}
        what = outcome.problem or ", ".join(
            f"{_words(name)} {_text(v)}" for name, v in plain.items()
        )
        mark = "[green]passed[/]" if outcome.passed else "[red]failed[/]"
        table.add_row(outcome.step, mark, f"{outcome.seconds:.2f}", what)
    for name in report.not_tried:
        table.add_row(name, "[dim]not tried[/]")
    return table


def _call(figures: dict[str, Any]) -> Table:
    names = list(figures[CALL_SIDES[0]])
    table = Table("received by", *map(_words, names), title="The call", box=None, pad_edge=False)
    for side in CALL_SIDES:
        table.add_row(side.capitalize(), *(_text(figures[side][name]) for name in names))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return "–" if value is None else str(value)


def what_next(report: Report, private: bool) -> str:
    up = (
        "ringlined up                                    # a stack that stays\n  "
        if private
        else ""
    )
    server = "" if private else f" --server {report.server}"
    return f"""
Try next:
  {up}ringline register +15550001 --code 000000 --profile me{server}
  ringline register +15550002 --code 000000 --profile you{server}
  ringline listen --profile you --auto-answer     # in a second terminal
  ringline send +15550002 "Hello" --profile me --wait delivered
  ringline call +15550002 --profile me
  ringline join --profile me                      # a group call: open its link in a browser
"""
