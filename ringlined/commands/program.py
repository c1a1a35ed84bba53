"""The command line as a whole."""

import typer

from ringlined.commands.config import config
from ringlined.commands.demo import demo
from ringlined.commands.doctor import doctor
from ringlined.commands.gateway import gateway
from ringlined.commands.migrate import migrate
from ringlined.commands.sfu import sfu
from ringlined.commands.turn import turn
from ringlined.commands.up import up

program = typer.Typer(
    name="ringlined",
    help="Ringline's server: calls and messages on your own machine. Begin with `ringlined up`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (up, gateway, sfu, turn, migrate, doctor, demo, config):
    program.command()(command)
