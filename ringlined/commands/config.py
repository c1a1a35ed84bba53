"""`ringlined config`."""

from pathlib import Path
from typing import Annotated

import typer

from ringlined.config import ConfigError, load_config
from ringlined.config_text import default_text
from ringlined.exit_codes import ExitCode


def config(
    check: Annotated[
        Path | None, typer.Option("--check", help="Only say whether this file is right.")
    ] = None,
) -> None:
    """Print a configuration file with every key, its default and its meaning."""
    if check is None:
        print(default_text(), end="")
        return
    try:
        load_config(check, lan=True)
    except ConfigError as error:
        print(f"ringlined: {error}")
        raise typer.Exit(ExitCode.CONFIGURATION) from None
    print(f"{check}: right")
