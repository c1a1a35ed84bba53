"""2,000 idle connections: what each costs in memory, how fast they come, what they burn.

The stack starts anew between the registrations and the first connection: memory that registering
left free in the gateway would otherwise hide what the connections take.
"""

import asyncio
import time

from loadtest.courier import Device
from loadtest.enrolment import enrol, numbers
from loadtest.figures import Figure, Measured
from loadtest.fleet import Fleet
from loadtest.generator import Connect
from loadtest.process import Process
from loadtest.scenario import Burnt, Meter, Options, ground, redis_memory_bytes
from loadtest.stack import Stack
from loadtest.wire import open_http

CONNECTIONS = 2_000
WARM_UP_CONNECTIONS = 100
WINDOWS = 5
SETTLE_S = 2.0


async def run(options: Options) -> list[Figure]:
    async with ground(options) as here:
        options.tell(f"registering {CONNECTIONS} devices")
        async with open_http(here.trust) as http:
            devices = await enrol(http, here.stack.base, numbers(CONNECTIONS))
        await here.stack.stop()
        await here.stack.start()
        pairs = list(zip(devices[::2], devices[1::2], strict=True))
        return await _measure(options, here.stack, pairs, here.certificate)


async def _measure(
    options: Options, stack: Stack, pairs: list[tuple[Device, Device]], certificate: str | None
) -> list[Figure]:
    gateway = stack.role("gateway")
    if gateway is None:
        raise RuntimeError("the stack has no gateway process")
    async with Fleet([stack.base], pairs, certificate) as fleet:
        await fleet.obey(Connect(clients=WARM_UP_CONNECTIONS // len(fleet.processes)))
        before = await _memory(stack, gateway)
        options.tell(f"connecting {CONNECTIONS}")
        meter, began = Meter(stack), time.monotonic()
        await fleet.obey(Connect(clients=CONNECTIONS))
        took_s, burnt = time.monotonic() - began, meter.read()
        after = await _memory(stack, gateway)
        options.tell(f"idle for {options.seconds:.0f} s")
        idle = [await _idle(stack, options.seconds / WINDOWS) for _ in range(WINDOWS)]
    added = CONNECTIONS - WARM_UP_CONNECTIONS
    measured = [
        Measured("gateway memory per idle connection", "KiB", ((after[0] - before[0]) / added,)),
        Measured("Redis memory per idle connection", "bytes", ((after[1] - before[1]) / added,)),
        Measured("connections per second", "1/s", (added / took_s,)),
        Measured(f"server CPU per connect, {options.tls_text}", "µs", (burnt.all_s / added * 1e6,)),
        Measured(
            f"server CPU while {CONNECTIONS} are idle",
            "ms/s",
            tuple(each.all_s / (options.seconds / WINDOWS) * 1e3 for each in idle),
        ),
    ]
    return [figure for each in measured for figure in each.figures()]


async def _memory(stack: Stack, gateway: Process) -> tuple[int, int]:
    """The gateway's KiB (PSS) and Redis' bytes, once both have come to rest."""
    await asyncio.sleep(SETTLE_S)
    return gateway.proportional_kib(), await redis_memory_bytes(stack)


async def _idle(stack: Stack, seconds: float) -> Burnt:
    meter = Meter(stack)
    await asyncio.sleep(seconds)
    return meter.read()
