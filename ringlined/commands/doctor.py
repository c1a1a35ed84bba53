"""`ringlined doctor`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console

from backplane.telemetry.logs import configure_logs
from ringlined.commands.options import ConfigOption, DataOption, end
from ringlined.doctor.examination import Diagnosis, examine
from ringlined.doctor.installation import Wish
from ringlined.doctor.show import show_diagnosis, show_hop
from ringlined.exit_codes import ExitCode
from ringlined.signals import stop_on_signals, unless_stopped


def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    server: Annotated[
        str | None, typer.Option("--server", help="URL of the server, as clients know it.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the findings there.")
    ] = None,
) -> None:
    """Ask a running stack part by part, then use it; name the first broken hop and what to do.

    Ends with 0 when every hop is well, with 1 when one is broken.
    """
    configure_logs("error", "auto", role="doctor")
    console = Console(soft_wrap=True)
    diagnosis = uvloop.run(_examine(Wish(data, config, server), console))
    if diagnosis is None:
        end(ExitCode.FAILED, "interrupted")
    show_diagnosis(console, diagnosis)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(diagnosis), indent=2) + b"\n")
    if not diagnosis.well:
        raise typer.Exit(ExitCode.FAILED)


async def _examine(wish: Wish, console: Console) -> Diagnosis | None:
    """None: SIGINT or SIGTERM came first; what was made is removed."""
    found: list[Diagnosis] = []

    async def examining() -> None:
        found.append(await examine(wish, lambda outcome: show_hop(console, outcome)))

    return found[0] if await unless_stopped(stop_on_signals(), examining()) else None
