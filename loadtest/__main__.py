"""`python -m loadtest SCENARIO`: a table, perhaps a JSON file, and status 1 when a bar does not hold."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from loadtest import call_setup, connections, group_call, messages, relay
from loadtest.budget import judge, read_bars
from loadtest.figures import Figure
from loadtest.generator import raise_file_limit
from loadtest.report import Report, print_table, revision, this_machine
from loadtest.scenario import Options, Scenario

EXIT_BROKEN_BAR: Final = 1
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Entry:
    run: Scenario
    seconds: float
    about: str
    peers: tuple[str, ...] = ()
    planes: tuple[str, ...] = ()
    tls: bool = True
    """Whether it can be measured with TLS."""


SCENARIOS: Final = {
    "messages": Entry(messages.run, 40, "200 connections that write to each other, durable"),
    "connections": Entry(connections.run, 20, "2,000 idle connections"),
    "call-setup": Entry(
        call_setup.run, 30, "from placing a call to the first decoded frame", tls=False
    ),
    "group-call": Entry(
        group_call.run, 20, "packets of a group call, 1 to 10 and 1 to 50", tls=False
    ),
    "relay": Entry(
        relay.run, 30, "packets and allocations of the relay", peers=("coturn",), tls=False
    ),
}


def parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<12} {entry.about}" for name, entry in SCENARIOS.items())
    options = argparse.ArgumentParser(
        prog="python -m loadtest",
        description=f"Measure a private stack.\n\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("scenario", choices=SCENARIOS)
    options.add_argument("--against", metavar="PEER", help="measure a peer beside, interleaved")
    options.add_argument("--plane", choices=("python", "native"), help="whose packet loops")
    options.add_argument("--seconds", type=float, help="how long to measure, all windows together")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the report here too")
    options.add_argument("--tls", action="store_true", help="with TLS to the gateway")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser()
    chosen = options.parse_args(arguments)
    entry = SCENARIOS[chosen.scenario]
    if chosen.against is not None and chosen.against not in entry.peers:
        options.error(f"{chosen.scenario} knows no peer {chosen.against!r}")
    if chosen.plane is not None and chosen.plane not in entry.planes:
        options.error(f"{chosen.scenario} has no packet loop to choose")
    if chosen.tls and not entry.tls:
        options.error(f"{chosen.scenario} is measured without TLS")
    if chosen.seconds is not None and chosen.seconds <= 0:
        options.error("--seconds must be above 0")
    progress = Console(stderr=True)
    wanted = Options(
        chosen.seconds or entry.seconds,
        chosen.tls,
        lambda text: progress.print(f"[dim]{chosen.scenario}: {text}[/]"),
        chosen.against,
    )
    return _measure(chosen.scenario, wanted, chosen.json)


def _measure(scenario: str, options: Options, json_file: Path | None) -> int:
    raise_file_limit()
    figures = asyncio.run(_run(scenario, options))
    report = Report(
        scenario=scenario,
        revision=revision(_ROOT),
        machine=this_machine(),
        figures=judge(scenario, figures, read_bars()),
    )
    print_table(report, Console())
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 0 if report.holds else EXIT_BROKEN_BAR


async def _run(scenario: str, options: Options) -> list[Figure]:
    return await SCENARIOS[scenario].run(options)


if __name__ == "__main__":
    sys.exit(main())
