"""Ports that nobody has, so that several stacks run on one machine."""

import socket
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from ringlined.config import Config
from sfu.settings import SfuSettings
from turn.settings import RelaySettings

S = TypeVar("S", SfuSettings, RelaySettings)


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
