"""The whole stack on one machine, as `ringlined up` runs it."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from ringlined.config import Config, is_loopback
from ringlined.readiness import is_ready
from ringlined.redis_server import find_redis, redis_answers, redis_command
from ringlined.role import Role, start, stop
from ringlined.run_directory import run_directory
from ringlined.signals import stop_on_signals, unless_stopped
from ringlined.stack import open_everything
from ringlined.status import Status, remove_status, write_status
from ringlined.supervisor import Supervisor
from sfu.settings import SfuSettings
from turn.settings import RelaySettings

S = TypeVar("S", SfuSettings, RelaySettings)
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
    admin_urls: Mapping[str, str]
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
            admin_url=self.admin_urls["gateway"],
            admin_urls=dict(self.admin_urls),
            ready=self.ready,
        )
        write_status(self.data, status)


async def run_embedded(embedded: Embedded) -> None:
    """Until SIGTERM or SIGINT. Raises RoleFailed or, in one process, what open_stack raises."""
    embedded = replace(embedded, config=with_free_ports(embedded.config))
    note = Note(embedded.data, url(embedded.config), admin_urls(embedded.config))
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
    started = [
        _role(embedded, redis_url, name, note.admin_urls[name])
        for name in ("gateway", "sfu", "turn")
    ]
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


def with_free_ports(config: Config) -> Config:
    """Port 0 decided here and now, so that a role that comes back comes back to the same one. A gateway
    on a free port is one of several stacks: what else has its default port gets a free one, too."""
    gateway, sfu, relay = config.gateway, config.sfu, config.relay
    several = gateway.port == 0
    return msgspec.structs.replace(
        config,
        gateway=msgspec.structs.replace(
            gateway,
            port=gateway.port or free_port(gateway.host),
            admin_port=gateway.admin_port or free_port(gateway.admin_host),
        ),
        sfu=_freed(
            sfu,
            several,
            {
                "media_port": (sfu.media_host, socket.SOCK_DGRAM),
                "signalling_port": (sfu.signalling_host, socket.SOCK_STREAM),
                "admin_port": (sfu.admin_host, socket.SOCK_STREAM),
            },
        ),
        relay=_freed(
            relay,
            several,
            {
                "port": (relay.host, socket.SOCK_DGRAM),
                "admin_port": (relay.admin_host, socket.SOCK_STREAM),
            },
        ),
    )


def _freed(settings: S, several: bool, ports: Mapping[str, tuple[str, int]]) -> S:
    chosen: dict[str, int] = {}
    defaults = {field.name: field.default for field in msgspec.structs.fields(settings)}
    for key, (host, kind) in ports.items():
        port = getattr(settings, key)
        if port == 0 or (several and port == defaults[key]):
            chosen[key] = free_port(host, kind)
    return msgspec.structs.replace(settings, **chosen)


def free_port(host: str, kind: int = socket.SOCK_STREAM) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def url(config: Config) -> str:
    """For clients, as seen from this machine."""
    gateway = config.gateway
    scheme = "https" if gateway.certificate_file else "http"
    return f"{scheme}://{_reachable(gateway.host)}:{gateway.port}"


def admin_urls(config: Config) -> dict[str, str]:
    """Health and metrics, by role."""
    places = {
        "gateway": (config.gateway.admin_host, config.gateway.admin_port),
        "sfu": (config.sfu.admin_host, config.sfu.admin_port),
        "turn": (config.relay.admin_host, config.relay.admin_port),
    }
    return {name: f"http://{_reachable(host)}:{port}" for name, (host, port) in places.items()}


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def where_to_look(embedded: Embedded) -> str:
    config = embedded.config
    here = url(config)
    admin = admin_urls(config)
    lines = [
        "",
        "Ringline is up.",
        f"  page       {here}   (group calls in the browser)",
        f"  clients    {here}   (API: {here}/v1/openapi.json)",
        f"  media      {_udp(config.sfu.media_host, config.sfu.media_port)} (group calls), "
        f"{_udp(config.relay.host, config.relay.port)} (relay)",
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


def _udp(host: str, port: int) -> str:
    return f"udp {_reachable(host)}:{port}"
