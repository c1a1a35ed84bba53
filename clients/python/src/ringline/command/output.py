"""What the command says: progress to standard error, results to standard output.

With `--json` standard output has one object per line and nothing else; README.md lists the fields.
"""

import datetime
import enum
import json
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Output:
    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._results = Console(highlight=False, soft_wrap=True)
        self._progress = Console(stderr=True, highlight=False, soft_wrap=True)

    def progress(self, text: str) -> None:
        """What goes on; for people alone."""
        if not self.as_json:
            self._progress.print(Text(text, style="dim"))

    def complain(self, text: str) -> None:
        self._progress.print(Text.assemble(("ringline: ", "bold red"), text))

    def event(self, name: str, /, **fields: Any) -> None:
        """For scripts alone."""
        if self.as_json:
            line = json.dumps({"event": name, **fields}, default=_plain, ensure_ascii=False)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def line(self, text: str, style: str = "") -> None:
        """A result; for people alone. What others wrote is never taken as mark-up."""
        if not self.as_json:
            self._results.print(Text(_printable(text), style=style))
            sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """For people alone."""
        if self.as_json:
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(Text(_printable(_shown(cell))) for cell in row))
        self._results.print(table)


def clock_text(at_ms: int) -> str:
    """UTC milliseconds as this machine's time of day."""
    return datetime.datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%H:%M:%S")


def day_text(at_ms: int | None) -> str:
    if at_ms is None:
        return "never"
    moment = datetime.datetime.fromtimestamp(at_ms / 1000).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")


def _printable(text: str) -> str:
    """A stranger's text must not move the cursor."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _shown(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    return str(value)
