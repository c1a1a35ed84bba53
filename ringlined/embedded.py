"""The whole stack on one machine, as `ringlined up` runs it."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from ringlined.config import Config, is_loopback
from ringlined.readiness import is_ready
from ringlined.redis_server import find_redis, redis_answers, redis_command
from ringlined.role import Role, start, stop
from ringlined.run_directory import run_directory
from ringlined.signals import stop_on_signals, unless_stopped
from ringlined.stack import open_stack
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

    data: Path
    url: str
    admin_url: str
    roles: dict[str, int] = field(default_factory=dict)
    ready: bool = False

    def changed(self, roles: Mapping[str, int]) -> None:
        self.roles = dict(roles)
        self.write()

    def write(self) -> None:
        status = Status(
            supervisor=os.getpid(),
            roles=self.roles,
            url=self.url,
            admin_url=self.admin_url,
            ready=self.ready,
        )
        write_status(self.data, status)


async def run_embedded(embedded: Embedded) -> None:
    """Until SIGTERM or SIGINT. Raises RoleFailed or, in one process, what open_stack raises."""
    embedded = replace(embedded, config=with_free_ports(embedded.config))
    note = Note(embedded.data, *urls(embedded.config))
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
    async with open_stack(embedded.config, redis=False):
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
    gateway = Role(
        "gateway",
        gateway_command(embedded, f"unix://{redis_socket}" if program else None),
        lambda: is_ready(note.admin_url),
        log=gateway_log(embedded),
    )
    if program is None:
        return [gateway]
    command = redis_command(program, redis_socket, embedded.data / "redis.log")
    return [Role("redis", command, lambda: redis_answers(redis_socket)), gateway]


def gateway_log(embedded: Embedded) -> Path | None:
    """With the demo, a file: two stories at once on one terminal are none."""
    return embedded.data / "gateway.log" if embedded.demo else None


def gateway_command(embedded: Embedded, redis_url: str | None) -> list[str]:
    gateway = embedded.config.gateway
    command = [sys.executable, "-m", "ringlined", "gateway", "--data", str(embedded.data)]
    command += ["--port", str(gateway.port), "--admin-port", str(gateway.admin_port)]
    if embedded.config_file is not None:
        command += ["--config", str(embedded.config_file)]
    if redis_url is not None:
        command += ["--redis", redis_url]
    return [*command, "--lan"] if embedded.lan else command


def with_free_ports(config: Config) -> Config:
    """Port 0 decided here and now, so that a gateway that comes back comes back to the same one."""
    gateway = config.gateway
    return msgspec.structs.replace(
        config,
        gateway=msgspec.structs.replace(
            gateway,
            port=gateway.port or free_port(gateway.host),
            admin_port=gateway.admin_port or free_port(gateway.admin_host),
        ),
    )


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def urls(config: Config) -> tuple[str, str]:
    """For clients and for health, as seen from this machine."""
    gateway = config.gateway
    scheme = "https" if gateway.certificate_file else "http"
    return (
        f"{scheme}://{_reachable(gateway.host)}:{gateway.port}",
        f"http://{_reachable(gateway.admin_host)}:{gateway.admin_port}",
    )


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def where_to_look(embedded: Embedded) -> str:
    url, admin_url = urls(embedded.config)
    lines = [
        "",
        "Ringline is up.",
        f"  clients    {url}   (API: {url}/v1/openapi.json)",
        f"  health     {admin_url}/readyz   metrics: {admin_url}/metrics",
        f"  kept in    {embedded.data}",
        f"  try        ringline --help   (server: {url})",
        "  stop       Ctrl-C",
        "",
    ]
    if (log := gateway_log(embedded)) is not None:
        lines.insert(5, f"  log        {log}")
    if not is_loopback(embedded.config.gateway.host):
        lines.insert(2, "  NOTE       it listens on every network interface of this machine")
    return "\n".join(lines)
