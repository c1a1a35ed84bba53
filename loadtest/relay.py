"""The relay: what a relayed packet costs, how fast allocations come, what one holds in memory.

Ours is the relay of a private stack; `--against coturn` runs Debian's turnserver beside it and the two
take turns, window by window. Only the process that relays is counted. 1,100-byte payloads on channels,
both directions counted; the load is a process of its own. Without TLS: media is UDP.

Memory is that of the first allocations after the start: later ones find what earlier ones left.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtest.coturn import HOST, PASSWORD, USERNAME, Coturn
from loadtest.figures import Figure, Measured
from loadtest.process import Process
from loadtest.relay_generator import (
    Allocate,
    AnyRelayOrder,
    PaceRelay,
    RelayTally,
    Release,
    SaturateRelay,
    Use,
)
from loadtest.relay_load import RelayLoad
from loadtest.relay_stack import our_relay
from loadtest.scenario import Options
from loadtest.stack import free_ports

PAYLOAD_BYTES: Final = 1_100
FLOWS: Final = 20
WINDOW: Final = 2
"""Packets that every flow keeps under way."""
PACED_PER_S: Final = 10_000.0
ALLOCATIONS: Final = 2_000
BURST: Final = 400
"""Allocations of one window of allocating."""
WINDOWS: Final = 5
WARM_UP_S: Final = 1.0
SETTLE_S: Final = 1.0
WINDOW_S_MIN: Final = 0.5
OURS: Final = "ours"


@dataclass(frozen=True, slots=True)
class Window:
    tally: RelayTally
    cpu_s: float
    """Of the relaying process, user and system."""

    @property
    def packet_us(self) -> float:
        return self.cpu_s / self.tally.relayed * 1e6

    @property
    def per_s(self) -> float:
        return self.tally.relayed / self.tally.seconds

    @property
    def lost(self) -> int:
        return self.tally.sent - self.tally.relayed


@dataclass(slots=True)
class Side:
    """One relay, the load on it, and what its windows gave."""

    name: str
    process: Process
    load: RelayLoad
    kib_per_allocation: float = 0.0
    saturated: list[Window] = field(default_factory=list)
    paced: list[Window] = field(default_factory=list)
    allocating: list[Window] = field(default_factory=list)

    async def window(self, order: AnyRelayOrder) -> Window:
        before = self.process.cpu_s()
        tally = await self.load.obey(order)
        if not self.process.alive():
            raise RuntimeError(f"{self.name} died while measured")
        return Window(tally, self.process.cpu_s() - before)


async def run(options: Options) -> list[Figure]:
    directory = Path(tempfile.mkdtemp(prefix="ringline-relay-"))
    try:
        async with AsyncExitStack() as stack:
            sides = [await _ours(stack, directory)]
            if options.against is not None:
                sides.append(await _coturn(stack, directory))
            await _measure(options, sides)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return figures(sides[0], sides[1] if len(sides) > 1 else None)


async def _ours(stack: AsyncExitStack, directory: Path) -> Side:
    relay = await stack.enter_async_context(our_relay(directory / "stack"))
    use = Use(
        host=relay.address[0],
        port=relay.address[1],
        username=relay.username,
        password=relay.password,
    )
    return await _side(stack, OURS, relay.process, use)


async def _coturn(stack: AsyncExitStack, directory: Path) -> Side:
    (port,) = free_ports(1)
    coturn = await stack.enter_async_context(Coturn(directory, port))
    use = Use(host=HOST, port=port, username=USERNAME, password=PASSWORD)
    return await _side(stack, "coturn", coturn.process, use)


async def _side(stack: AsyncExitStack, name: str, process: Process, use: Use) -> Side:
    side = Side(name, process, await stack.enter_async_context(RelayLoad()))
    await side.load.obey(use)
    return side


async def _measure(options: Options, sides: Sequence[Side]) -> None:
    for side in sides:
        options.tell(f"{side.name}: the first {ALLOCATIONS} allocations")
        side.kib_per_allocation = await _weigh(side)
    seconds = max(WINDOW_S_MIN, options.seconds / (2 * WINDOWS * len(sides)))
    flood = SaturateRelay(seconds=seconds, window=WINDOW, payload_bytes=PAYLOAD_BYTES)
    pace = PaceRelay(seconds=seconds, rate_per_s=PACED_PER_S, payload_bytes=PAYLOAD_BYTES)
    warm_up = SaturateRelay(seconds=WARM_UP_S, window=WINDOW, payload_bytes=PAYLOAD_BYTES)
    for number in range(WINDOWS):
        options.tell(f"window {number + 1} of {WINDOWS}")
        for side in sides:
            side.allocating.append(await side.window(Allocate(count=BURST)))
            await side.load.obey(Release())
    for side in sides:
        await side.load.obey(Allocate(count=FLOWS, bound=FLOWS))
        await side.load.obey(warm_up)
    for number in range(WINDOWS):
        options.tell(f"window {number + 1} of {WINDOWS}")
        for side in sides:
            side.saturated.append(await side.window(flood))
            side.paced.append(await side.window(pace))


async def _weigh(side: Side) -> float:
    """KiB that each of the first allocations takes."""
    await side.load.obey(Allocate(count=1))
    before = side.process.proportional_kib()
    await side.load.obey(Allocate(count=ALLOCATIONS))
    await asyncio.sleep(SETTLE_S)
    grown = side.process.proportional_kib() - before
    await side.load.obey(Release())
    return grown / ALLOCATIONS


def figures(ours: Side, peer: Side | None) -> list[Figure]:
    """Medians and, of several windows, the lowest. A packet is counted when it came out of the relay."""

    def measured(name: str, unit: str, of: Callable[[Side], Sequence[float]]) -> Measured:
        return Measured(name, unit, tuple(of(ours)), tuple(of(peer)) if peer is not None else ())

    paced = f"at {PACED_PER_S:.0f}/s"
    every = [
        measured("CPU per relayed packet, saturated", "µs", lambda s: _each(s.saturated, "packet_us")),
        measured("packets relayed per second, saturated", "1/s", lambda s: _each(s.saturated, "per_s")),
        measured(f"CPU per relayed packet, {paced}", "µs", lambda s: _each(s.paced, "packet_us")),
        measured("packets lost, saturated, all windows", "1", lambda s: [_lost(s.saturated)]),
        measured(f"packets lost, {paced}, all windows", "1", lambda s: [_lost(s.paced)]),
        measured(
            "allocations per second",
            "1/s",
            lambda s: [window.tally.allocations_per_s for window in s.allocating],
        ),
        measured(
            "CPU per allocation", "µs", lambda s: [w.cpu_s / BURST * 1e6 for w in s.allocating]
        ),
        measured("memory per allocation", "KiB", lambda s: [s.kib_per_allocation]),
        measured(
            "generator CPU per relayed packet, saturated",
            "µs",
            lambda s: [w.tally.cpu_s / w.tally.relayed * 1e6 for w in s.saturated],
        ),
    ]  # fmt: skip
    return [figure for each in every for figure in each.figures()]


def _each(windows: Sequence[Window], name: str) -> list[float]:
    return [getattr(window, name) for window in windows]


def _lost(windows: Sequence[Window]) -> float:
    return sum(window.lost for window in windows)
