"""What several subcommands take, and how they end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from backplane.errors import WorldError
from ringlined.config import Config, ConfigError, load_config
from ringlined.exit_codes import ExitCode

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file (TOML); `ringlined config` prints one."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Directory for everything that is kept [default: var]."),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Port for clients; 0 takes a free one."),
]
AdminPortOption = Annotated[
    int | None,
    typer.Option("--admin-port", min=0, max=65535, help="Port for metrics and health."),
]
RedisOption = Annotated[
    str | None, typer.Option("--redis", help="URL of the Redis that all nodes share.")
]
LanOption = Annotated[
    bool, typer.Option("--lan", help="In development: listen on every network interface.")
]


def configured(
    config: Path | None,
    data: Path | None,
    port: int | None = None,
    admin_port: int | None = None,
    lan: bool = False,
    redis: str | None = None,
    more: dict[str, dict[str, Any]] | None = None,
) -> Config:
    """The file with what the command line changes (`more`: by table and key). Ends the program for a
    wrong one."""
    changes: dict[str, dict[str, Any]] = {
        "storage": {"directory": str(data) if data is not None else None},
        "gateway": {"port": port, "admin_port": admin_port},
        "registry": {"url": redis},
    }
    try:
        return load_config(config, given({**changes, **(more or {})}), lan=lan)
    except ConfigError as error:
        end(ExitCode.CONFIGURATION, str(error))


def given(changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without what the command line left out."""
    return {
        table: kept
        for table, keys in changes.items()
        if (kept := {key: value for key, value in keys.items() if value is not None})
    }


@contextmanager
def ends_plainly() -> Iterator[None]:
    """What the world refuses is a sentence and an exit code, not a traceback."""
    try:
        yield
    except WorldError as error:
        end(ExitCode.UNAVAILABLE, str(error))
    except OSError as error:
        end(ExitCode.UNAVAILABLE, str(error))
    except ValueError as error:
        end(ExitCode.CONFIGURATION, str(error))


def end(code: ExitCode, text: str) -> NoReturn:
    print(f"ringlined: {text}", file=sys.stderr, flush=True)
    raise typer.Exit(code)
