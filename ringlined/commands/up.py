"""`ringlined up`."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from backplane.telemetry.logs import configure_logs
from ringlined.commands.options import (
    AdminPortOption,
    ConfigOption,
    DataOption,
    LanOption,
    PortOption,
    configured,
    end,
    ends_plainly,
)
from ringlined.config import names_redis
from ringlined.data_directory import InUse, data_directory
from ringlined.exit_codes import ExitCode

LAST_CHARACTERS_MAX: Final = 500


def up(
    config: ConfigOption = None,
    data: DataOption = None,
    port: PortOption = None,
    admin_port: AdminPortOption = None,
    lan: LanOption = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="When it is up, run the demo on it; then stay up.")
    ] = False,
) -> None:
    """Run the whole stack on this machine: a private Redis and each role in its own process.

    Ctrl-C stops everything. A role that dies comes back.
    """
    # Imported when needed: help should not wait for the databases.
    from backplane.storage.open_sqlite import migrate  # noqa: PLC0415
    from ringlined.embedded import Embedded, run_embedded  # noqa: PLC0415
    from ringlined.secret_files import make_secrets  # noqa: PLC0415
    from ringlined.supervisor import RoleFailed  # noqa: PLC0415

    settings = configured(config, data, port, admin_port, lan)
    configure_logs(settings.telemetry.log_level, settings.telemetry.log_format, role="up")
    directory = Path(settings.storage.directory)
    try:
        with ends_plainly(), data_directory(directory) as place:
            migrate(settings.storage)
            make_secrets(place)
            embedded = Embedded(
                settings, place, config, redis_configured=names_redis(config), lan=lan, demo=demo
            )
            uvloop.run(run_embedded(embedded))
    except InUse as error:
        end(ExitCode.UNAVAILABLE, str(error))
    except RoleFailed as error:
        print(
            f"ringlined: {error}{_last_words(directory, error.role, demo)}",
            file=sys.stderr,
            flush=True,
        )
        raise typer.Exit(error.code) from None


def _last_words(data: Path, role: str, demo: bool) -> str:
    """With the demo a role's complaint is in its log, where nobody looks."""
    log = data / f"{role}.log"
    if not (demo and log.exists()):
        return ""
    return ": " + log.read_text(errors="replace")[-LAST_CHARACTERS_MAX:].strip()
