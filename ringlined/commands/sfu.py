"""`ringlined sfu`."""

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


def sfu(
    config: ConfigOption = None,
    data: DataOption = None,
    media_port: Annotated[
        int | None,
        typer.Option("--media-port", min=0, max=65535, help="UDP port for everybody's media."),
    ] = None,
    signalling_port: Annotated[
        int | None,
        typer.Option("--signalling-port", min=0, max=65535, help="Port for the gateways."),
    ] = None,
    admin_port: AdminPortOption = None,
    lan: LanOption = False,
    redis: RedisOption = None,
) -> None:
    """Run one node for group calls. It needs a Redis and the gateways' public key."""
    ports = {"media_port": media_port, "signalling_port": signalling_port, "admin_port": admin_port}
    settings = configured(config, data, lan=lan, redis=redis, more={"sfu": ports})
    configure_logs(settings.telemetry.log_level, settings.telemetry.log_format, role="sfu")
    with ends_plainly():
        uvloop.run(_serve(settings))


async def _serve(config: Config) -> None:
    from ringlined.secret_files import SecretMissing  # noqa: PLC0415 - help should not wait
    from ringlined.stack import open_sfu  # noqa: PLC0415

    stop = stop_on_signals()
    try:
        async with open_sfu(config):
            await stop.wait()
    except SecretMissing as error:
        end(ExitCode.CONFIGURATION, str(error))
    except Unavailable as error:
        end(
            ExitCode.UNAVAILABLE,
            f"{error}. An SFU node needs a Redis; `ringlined up` brings its own.",
        )
