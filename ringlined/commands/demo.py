"""`ringlined demo`."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console

from ringlined.commands.options import DataOption, end
from ringlined.demo.play import Report, play
from ringlined.demo.show import show_report, show_step, what_next
from ringlined.demo.stage import running_server
from ringlined.exit_codes import ExitCode
from ringlined.signals import stop_on_signals, unless_stopped

DEFAULT_DATA = Path("var")


def demo(
    data: DataOption = None,
    server: Annotated[
        str | None, typer.Option("--server", help="Play on the stack at this URL.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the report there.")
    ] = None,
) -> None:
    """Two people, three devices, messages, a video call: on the running stack, or on one of its own.

    Ends with 0 only if every step passed.
    """
    found = server or running_server(data or DEFAULT_DATA)
    console = Console()
    console.print(f"The demo plays on {found or 'a private stack'}.\n", highlight=False)
    report = uvloop.run(_play(found, console))
    if report is None:
        end(ExitCode.FAILED, "interrupted")
    show_report(console, report)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if not report.passed:
        raise typer.Exit(ExitCode.FAILED)
    print(what_next(report, private=found is None))


async def _play(server: str | None, console: Console) -> Report | None:
    """None: SIGINT or SIGTERM came first; everything that was started is stopped."""
    reports: list[Report] = []

    async def playing() -> None:
        reports.append(await play(server, lambda outcome: show_step(console, outcome)))

    wish: asyncio.Event = stop_on_signals()
    return reports[0] if await unless_stopped(wish, playing()) else None
