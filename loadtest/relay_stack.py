"""Our relay, as a private stack runs it, with a credential that the load may use."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from backplane.relay_credentials import issue
from loadtest.process import Process
from loadtest.stack import Stack, free_ports
from loadtest.turn_wire import Host

HOST: Final = "127.0.0.1"
ALLOCATIONS_MAX: Final = 10_000
CREDENTIAL_LIFETIME_S: Final = 12 * 3600
_ACCOUNT: Final = UUID(int=1)
_CALL: Final = UUID(int=2)


@dataclass(frozen=True, slots=True)
class OurRelay:
    address: Host
    process: Process
    username: str
    password: str


def changes(ports: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Of the configuration. `ports`: for clients, for health. One account on one address is all there is."""
    return {
        "relay": {
            "host": HOST,
            "port": ports[0],
            "admin_port": ports[1],
            "allow_private_peers": True,
            "relayed_port_min": 32_768,
            "allocations_max": ALLOCATIONS_MAX,
            "allocations_per_account_max": ALLOCATIONS_MAX,
            "allocations_per_address_max": ALLOCATIONS_MAX,
            "challenges_per_source_s": 1_000_000,
            "challenges_per_s": 1_000_000,
        }
    }


@asynccontextmanager
async def our_relay(directory: Path) -> AsyncIterator[OurRelay]:
    """Raise StackFailed."""
    port, admin_port = free_ports(2)
    async with Stack(directory, changes=changes((port, admin_port))) as stack:
        process = stack.role("turn")
        if process is None:
            raise RuntimeError("the stack has no relay process")
        secret = (directory / "secrets" / "relay").read_text().strip()
        until = int(time.time()) + CREDENTIAL_LIFETIME_S
        username, password = issue(secret, _ACCOUNT, _CALL, until, until)
        yield OurRelay((HOST, port), process, username, password)
