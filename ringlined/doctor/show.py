"""What the doctor prints: a line per hop as it is done; what is broken, and what to do."""

from rich.console import Console

from ringlined.doctor.examination import Diagnosis
from ringlined.trial.step import Outcome


def show_hop(console: Console, outcome: Outcome) -> None:
    mark = "[green]✓[/]" if outcome.passed else "[red]✗[/]"
    if outcome.skipped:
        mark = "[yellow]–[/]"
    figures = ", ".join(
        f"{name.replace('_', ' ')} {_text(v)}" for name, v in outcome.figures.items()
    )
    console.print(f"{mark} {outcome.step:<22}", end=" ", highlight=False)
    state = f"not tried: {outcome.skipped}" if outcome.skipped else figures
    console.print(state if outcome.passed else "BROKEN", markup=False, highlight=False)
    if outcome.warning:
        console.print(f"    {outcome.warning}", style="yellow", markup=False, highlight=False)
    if outcome.problem is not None:
        console.print(f"    {outcome.problem}", style="red", markup=False, highlight=False)
    if outcome.advice:
        console.print(f"    {outcome.advice}", markup=False, highlight=False)


def show_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    if diagnosis.well:
        skipped = [hop.step for hop in diagnosis.hops if hop.skipped]
        count = len(diagnosis.hops) - len(skipped)
        every = "" if skipped else "All "
        rest = f"; not tried: {', '.join(skipped)}" if skipped else ""
        text = f"\n{every}{count} hops are well, in {diagnosis.seconds:.1f} s{rest}."
        console.print(text, highlight=False)
        return
    console.print(f"\n[red]Broken: {diagnosis.broken}[/]", highlight=False)
    if diagnosis.not_tried:
        console.print(f"Not tried: {', '.join(diagnosis.not_tried)}", highlight=False)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return f"{value:.1f}" if isinstance(value, float) else str(value)
