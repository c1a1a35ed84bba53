"""`ringlined gateway`."""

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

from backplane.errors import Unavailable
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
from ringlined.config import Config
from ringlined.exit_codes import ExitCode
from ringlined.signals import stop_on_signals

if TYPE_CHECKING:
    from signaling.app import Gateway


def gateway(
    config: ConfigOption = None,
    data: DataOption = None,
    port: PortOption = None,
    admin_port: AdminPortOption = None,
    lan: LanOption = False,
    redis: Annotated[
        str | None, typer.Option("--redis", help="URL of the Redis that all nodes share.")
    ] = None,
) -> None:
    """Run one gateway: REST, live connections, calls' set-up. It needs a Redis and migrated stores."""
    settings = configured(config, data, port, admin_port, lan, redis)
    configure_logs(settings.telemetry.log_level, settings.telemetry.log_format, role="gateway")
    with ends_plainly():
        uvloop.run(_serve(settings))


async def _serve(config: Config) -> None:
    from ringlined.stack import open_stack  # noqa: PLC0415 - help should not wait for the databases

    stop = stop_on_signals()
    try:
        async with open_stack(config) as running:
            reload_on_hangup(running)
            await stop.wait()
    except Unavailable as error:
        end(
            ExitCode.UNAVAILABLE,
            f"{error}. A gateway needs migrated stores (`ringlined migrate`) and a Redis; "
            "`ringlined up` brings its own.",
        )


def reload_on_hangup(gateway: "Gateway") -> None:
    """SIGHUP: read the certificate again, without losing a connection."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload_certificate)
