"""A relay as a process of its own, on the memory registry.

Usage: `run_relay.py SETTINGS SECRET...`, the settings as JSON. It prints one JSON line when it is up,
then obeys standard input: `deadline CALL UTC_MS` puts a refresh deadline; the end of it stops the relay.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec
import uvloop

from backplane.registry.open import memory_registry
from backplane.registry.ports import Registry
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.logs import configure_logs
from backplane.telemetry.metrics import open_metrics
from turn.app import build_relay
from turn.settings import RelaySettings

DEADLINE_LIFETIME_MS = 600_000


async def serve(settings: RelaySettings, secrets: Sequence[str]) -> None:
    registry = memory_registry(lambda: time.time_ns() // 1_000_000)
    relay = build_relay(
        settings, secrets=secrets, registry=registry, metrics=open_metrics(), health=Health()
    )
    await relay.start()
    print(json.dumps({"bound": relay.bound, "admin": relay.admin, "node": relay.node}), flush=True)
    await obey(registry)
    await relay.stop()


async def obey(registry: Registry) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        _, call, until_ms = line.decode().split()
        await registry.relay_deadlines.put(UUID(call), int(until_ms), DEADLINE_LIFETIME_MS)
        print("done", flush=True)


if __name__ == "__main__":
    configure_logs("info", "json", role="turn")
    uvloop.run(serve(msgspec.json.decode(sys.argv[1], type=RelaySettings), sys.argv[2:]))
