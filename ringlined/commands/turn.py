"""`ringlined turn`."""

from typing import Annotated

import typer
import uvloop

from backplane.errors import Unavailable
from backplane.telemetry.logs import configure_logs
from ringlined.commands.options import (
    AdminPortOption,
    ConfigOption,
    DataOption,
    LanOption,
    RedisOption,
    configured,
    end,
    ends_plainly,
)
from ringlined.config import Config
from ringlined.exit_codes import ExitCode
from ringlined.signals import stop_on_signals


def turn(
    config: ConfigOption = None,
    data: DataOption = None,
    relay_port: Annotated[
        int | None,
        typer.Option("--relay-port", min=0, max=65535, help="UDP port for clients (TURN)."),
    ] = None,
    admin_port: AdminPortOption = None,
    lan: LanOption = False,
    redis: RedisOption = None,
) -> None:
    """Run one relay (TURN). It needs a Redis and the secret that the gateways have."""
    ports = {"port": relay_port, "admin_port": admin_port}
    settings = configured(config, data, lan=lan, redis=redis, more={"relay": ports})
    configure_logs(settings.telemetry.log_level, settings.telemetry.log_format, role="turn")
    with ends_plainly():
        uvloop.run(_serve(settings))


async def _serve(config: Config) -> None:
    from ringlined.secret_files import SecretMissing  # noqa: PLC0415 - help should not wait
    from ringlined.stack import open_relay  # noqa: PLC0415

    stop = stop_on_signals()
    try:
        async with open_relay(config):
            await stop.wait()
    except SecretMissing as error:
        end(ExitCode.CONFIGURATION, str(error))
    except Unavailable as error:
        end(ExitCode.UNAVAILABLE, f"{error}. A relay needs a Redis; `ringlined up` brings its own.")
