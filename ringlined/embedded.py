"""The whole stack on one machine, as `ringlined up` runs it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ringlined.addresses import admin_urls, media_addresses, url
from ringlined.config import Config, is_loopback
from ringlined.free_ports import with_free_ports
from ringlined.readiness import is_ready
from ringlined.redis_server import find_redis, redis_answers, redis_command
from ringlined.role import Role, start, stop
from ringlined.run_directory import run_directory
from ringlined.signals import stop_on_signals, unless_stopped
from ringlined.stack import open_everything
from ringlined.status import Status, remove_status, write_status
from ringlined.supervisor import Supervisor

NO_REDIS: Final = """\
There is no redis-server program here: everything runs in this one process, with presence, tokens
and limits in memory. For the real shape: apt-get install redis-server, then start again.
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    config: Config
    data: Path
    config_file: Path | None
    redis_configured: bool
    """The configuration file names a Redis: no private one then."""
    lan: bool
    demo: bool


@dataclass(slots=True)
class Note:
    """Keeps the status file true."""

    embedded: Embedded
    roles: dict[str, int] = field(default_factory=dict)
    redis: str = ""
    """URL of the private one."""
    ready: bool = False

    def changed(self, roles: Mapping[str, int]) -> None:
        self.roles = dict(roles)
        self.write()

    def write(self) -> None:
        embedded = self.embedded
        addresses = admin_urls(embedded.config)
        status = Status(
            supervisor=os.getpid(),
            roles=self.roles,
            url=url(embedded.config),
            admin_url=addresses["gateway"],
            admin_urls=addresses,
            media=media_addresses(embedded.config),
            redis=self.redis,
            config_file=str(embedded.config_file.resolve()) if embedded.config_file else "",
            lan=embedded.lan,
            ready=self.ready,
        )
        write_status(embedded.data, status)


async def run_embedded(embedded: Embedded) -> None:
    """Until SIGTERM or SIGINT. Raises RoleFailed or, in one process, what open_stack raises."""
    embedded = replace(embedded, config=with_free_ports(embedded.config))
    note = Note(embedded)
    wish = stop_on_signals()
    program = find_redis()
    try:
        if embedded.redis_configured or program:
            await _run_supervised(embedded, note, program, wish)
        else:
            await _run_alone(embedded, note, wish)
    finally:
        remove_status(embedded.data)


async def _run_supervised(
    embedded: Embedded, note: Note, program: str | None, wish: asyncio.Event
) -> None:
    with run_directory() as directory:
        private = None if embedded.redis_configured else program
        supervisor = Supervisor(roles(embedded, note, private, directory), note.changed)
        try:
            if await unless_stopped(wish, supervisor.start()):
                await _stay(embedded, note, wish)
        finally:
            await supervisor.stop()


async def _run_alone(embedded: Embedded, note: Note, wish: asyncio.Event) -> None:
    print(NO_REDIS, flush=True)
    async with open_everything(embedded.config):
        await _stay(embedded, note, wish)


async def _stay(embedded: Embedded, note: Note, wish: asyncio.Event) -> None:
    note.ready = True
    note.write()
    print(where_to_look(embedded), flush=True)
    if embedded.demo and await unless_stopped(wish, _demo(embedded.data)):
        print(where_to_look(embedded), flush=True)
    await wish.wait()


async def _demo(data: Path) -> None:
    command = [sys.executable, "-m", "ringlined", "demo", "--data", str(data)]
    process = await start(Role("demo", command, ready=_at_once))
    try:
        await process.wait()
    finally:
        await stop(process)


async def _at_once() -> bool:
    return True


def roles(embedded: Embedded, note: Note, program: str | None, directory: Path) -> list[Role]:
    """In the order of their start. `program`: the redis-server to run privately, if any."""
    redis_socket = directory / "redis.sock"
    redis_url = f"unix://{redis_socket}" if program else None
    note.redis = redis_url or ""
    admin = admin_urls(embedded.config)
    started = [_role(embedded, redis_url, name, admin[name]) for name in ("gateway", "sfu", "turn")]
    if program is None:
        return started
    command = redis_command(program, redis_socket, embedded.data / "redis.log")
    return [Role("redis", command, lambda: redis_answers(redis_socket)), *started]


def _role(embedded: Embedded, redis_url: str | None, name: str, admin_url: str) -> Role:
    return Role(
        name,
        role_command(embedded, name, redis_url),
        lambda: is_ready(admin_url),
        log=role_log(embedded, name),
    )


def role_log(embedded: Embedded, name: str) -> Path | None:
    """With the demo, a file: two stories at once on one terminal are none."""
    return embedded.data / f"{name}.log" if embedded.demo else None


def role_command(embedded: Embedded, name: str, redis_url: str | None) -> list[str]:
    command = [sys.executable, "-m", "ringlined", name, "--data", str(embedded.data)]
    for option, port in _ports(embedded.config, name).items():
        command += [option, str(port)]
    if embedded.config_file is not None:
        command += ["--config", str(embedded.config_file)]
    if redis_url is not None:
        command += ["--redis", redis_url]
    return [*command, "--lan"] if embedded.lan else command


def _ports(config: Config, name: str) -> dict[str, int]:
    gateway, sfu, relay = config.gateway, config.sfu, config.relay
    return {
        "gateway": {"--port": gateway.port, "--admin-port": gateway.admin_port},
        "sfu": {
            "--media-port": sfu.media_port,
            "--signalling-port": sfu.signalling_port,
            "--admin-port": sfu.admin_port,
        },
        "turn": {"--relay-port": relay.port, "--admin-port": relay.admin_port},
    }[name]


def where_to_look(embedded: Embedded) -> str:
    config = embedded.config
    here = url(config)
    admin, media = admin_urls(config), media_addresses(config)
    lines = [
        "",
        "Ringline is up.",
        f"  page       {here}   (group calls in the browser)",
        f"  clients    {here}   (API: {here}/v1/openapi.json)",
        f"  media      udp {media['sfu']} (group calls), udp {media['turn']} (relay)",
        f"  health     {admin['gateway']}/readyz   metrics: {admin['gateway']}/metrics",
        f"             the same at {admin['sfu']} (group calls), {admin['turn']} (relay)",
        f"  kept in    {embedded.data}",
        f"  try        ringline --help   (server: {here})",
        "  check      ringlined doctor",
        "  stop       Ctrl-C",
        "",
    ]
    if embedded.demo:
        lines.insert(8, f"  logs       {embedded.data}/gateway.log, sfu.log, turn.log")
    if not is_loopback(config.gateway.host):
        lines.insert(2, "  NOTE       it listens on every network interface of this machine")
    return "\n".join(lines)
