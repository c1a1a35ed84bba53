"""What a forwarded packet of a group call costs: one publisher to 10, and to 50 subscribers.

1,100-byte payloads, AES-128-GCM, real DTLS and SRTP. Two kinds of window take turns: *saturated* (bursts, the
next when the last has come to all) and *paced* (PACED_PER_S forwarded packets). Only the SFU's process is
counted; the load is a process of its own. Without TLS: media is UDP, and the node has none.
"""

import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from backplane.registry.open import open_registry
from backplane.registry.settings import RegistrySettings
from backplane.tickets import TicketSigner
from loadtest.figures import Figure, Measured
from loadtest.fleet import GeneratorFailed
from loadtest.group_call_generator import (
    AnyGroupCallOrder,
    GroupCallTally,
    Meet,
    PaceCall,
    SaturateCall,
)
from loadtest.process import Process
from loadtest.scenario import Options
from loadtest.stack import Stack, free_ports
from ringline.protocol.types import Address

PAYLOAD_BYTES: Final = 1_100
AUDIENCES: Final = (10, 50)
BURST: Final = 8
PACED_PER_S: Final = 10_000.0
WINDOWS: Final = 5
WARM_UP_S: Final = 0.5
WINDOW_S_MIN: Final = 0.5
PROFILE: Final = "SRTP_AEAD_AES_128_GCM"
ORDER_TIMEOUT_S: Final = 300.0
CLOSE_TIMEOUT_S: Final = 30.0
NODE_TIMEOUT_S: Final = 20.0
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Window:
    tally: GroupCallTally
    cpu_s: float
    """Of the SFU process, user and system."""

    @property
    def packet_us(self) -> float:
        return self.cpu_s / self.tally.forwarded * 1e6

    @property
    def per_s(self) -> float:
        return self.tally.forwarded / self.tally.seconds

    @property
    def generator_us(self) -> float:
        return self.tally.cpu_s / self.tally.forwarded * 1e6


@dataclass(slots=True)
class Audience:
    subscribers: int
    saturated: list[Window] = field(default_factory=list)
    paced: list[Window] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OurNode:
    name: str
    url: str
    process: Process
    signer: TicketSigner

    def tickets(self, count: int) -> list[str]:
        """For one call, each for another account."""
        call, now = uuid4(), int(time.time())
        return [
            self.signer.sign(Address(uuid4(), 1), call, self.name, secrets.token_urlsafe(16), now)
            for _ in range(count)
        ]


async def run(options: Options) -> list[Figure]:
    directory = Path(tempfile.mkdtemp(prefix="ringline-group-call-"))
    audiences = [Audience(count) for count in AUDIENCES]
    seconds = max(WINDOW_S_MIN, options.seconds / (2 * WINDOWS * len(audiences)))
    try:
        async with our_node(directory) as node:
            for audience in audiences:
                options.tell(f"1 to {audience.subscribers}")
                await measure(node, audience, seconds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return [figure for audience in audiences for figure in figures(audience)]


@asynccontextmanager
async def our_node(directory: Path) -> AsyncIterator[OurNode]:
    """The SFU of a private stack. Raises StackFailed."""
    signalling, admin = free_ports(2)
    ports = {"media_port": 0, "signalling_port": signalling, "admin_port": admin}
    async with Stack(directory / "stack", changes={"sfu": ports}) as stack:
        process = stack.role("sfu")
        if process is None:
            raise RuntimeError("the stack has no SFU process")
        name = await _name_of_node(stack)
        signer = TicketSigner((stack.directory / "secrets" / "ticket.key").read_text())
        yield OurNode(name, f"http://127.0.0.1:{signalling}/v1/sfu/{name}", process, signer)


async def _name_of_node(stack: Stack) -> str:
    registry = open_registry(RegistrySettings(url=f"unix://{stack.redis_socket()}"))
    try:
        async with asyncio.timeout(NODE_TIMEOUT_S):
            while not (nodes := await registry.nodes.nodes("sfu")):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
        return nodes[0].node
    finally:
        await registry.shut()


async def measure(node: OurNode, audience: Audience, seconds: float) -> None:
    flood = SaturateCall(seconds=seconds, burst=BURST, payload_bytes=PAYLOAD_BYTES)
    rate = PACED_PER_S / audience.subscribers
    pace = PaceCall(seconds=seconds, rate_per_s=rate, payload_bytes=PAYLOAD_BYTES)
    async with generator() as load:
        await load.obey(Meet(url=node.url, tickets=node.tickets(audience.subscribers + 1)))
        await load.obey(msgspec.structs.replace(flood, seconds=WARM_UP_S))
        for _ in range(WINDOWS):
            for order, windows in ((flood, audience.saturated), (pace, audience.paced)):
                windows.append(await _window(node, load, order))


async def _window(node: OurNode, load: "Generator", order: AnyGroupCallOrder) -> Window:
    before = node.process.cpu_s()
    tally = await load.obey(order)
    if not node.process.alive():
        raise RuntimeError("the SFU died while measured")
    if tally.profile != PROFILE or tally.wrong or not tally.forwarded:
        raise RuntimeError(f"that is no measurement: {tally}")
    return Window(tally, node.process.cpu_s() - before)


class Generator:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def obey(self, order: AnyGroupCallOrder) -> GroupCallTally:
        """Raises GeneratorFailed."""
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        try:
            async with asyncio.timeout(ORDER_TIMEOUT_S):
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (ConnectionError, TimeoutError) as error:
            raise GeneratorFailed(f"group call generator {process.pid}: {error!r}") from error
        if not line:
            raise GeneratorFailed(f"group call generator {process.pid} ended")
        return msgspec.json.decode(line, type=GroupCallTally)


@asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.group_call_generator"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    try:
        yield Generator(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def figures(audience: Audience) -> list[Figure]:
    """Medians and the lowest window. A packet counts when it came to a subscriber."""
    who = f"1 to {audience.subscribers}"
    paced = f"at {PACED_PER_S:.0f}/s"
    every = [
        Measured(
            f"CPU per forwarded packet, {who}, saturated",
            "µs",
            tuple(window.packet_us for window in audience.saturated),
        ),
        Measured(
            f"packets forwarded per second, {who}, saturated",
            "1/s",
            tuple(window.per_s for window in audience.saturated),
        ),
        Measured(
            f"CPU per forwarded packet, {who}, {paced}",
            "µs",
            tuple(window.packet_us for window in audience.paced),
        ),
        *(
            Measured(f"packets lost, {who}, {name}, all windows", "1", (_lost(windows),))
            for name, windows in (("saturated", audience.saturated), (paced, audience.paced))
        ),
        Measured(
            f"generator CPU per forwarded packet, {who}, saturated",
            "µs",
            tuple(window.generator_us for window in audience.saturated),
        ),
    ]
    return [figure for each in every for figure in each.figures()]


def _lost(windows: list[Window]) -> float:
    return sum(window.tally.expected - window.tally.forwarded for window in windows)
