"""A run's report: the machine it ran on, the table, the JSON."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from loadtest.figures import Figure

_GIT_DEADLINE_S = 10


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    cpu: str
    cores: int
    memory_mib: int
    kernel: str
    python: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`revision` is None outside a git checkout; it ends with `+` when files differ from the commit."""

    scenario: str
    revision: str | None
    machine: Machine
    figures: list[Figure]

    @property
    def holds(self) -> bool:
        return all(figure.holds is not False for figure in self.figures)


def this_machine() -> Machine:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=pages // 2**20,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def revision(folder: Path) -> str | None:
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run(
        [git, "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=_GIT_DEADLINE_S,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def print_table(report: Report, console: Console) -> None:
    revision_text = (report.revision or "no revision")[:12]
    table = Table(
        title=f"{report.scenario} · {revision_text} · {report.machine.cpu}, {report.machine.cores} cores"
    )
    table.add_column("figure")
    for heading in ("ours", "peer", "ratio", "budget"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    table.add_column("holds")
    for figure in report.figures:
        table.add_row(*_row(figure))
    console.print(table)


def _row(figure: Figure) -> Sequence[str]:
    holds = {True: "yes", False: "[bold red]no[/]", None: ""}[figure.holds]
    numbers = [_number(n) for n in (figure.ours, figure.peer, figure.ratio, figure.budget)]
    return (figure.name, *numbers, figure.unit, holds)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
