"""From placing a call to the first decoded frame, by two SDK clients with test sources on loopback.

Both live in this process. One call after the other, each hung up and forgotten before the next; the
figures are percentiles over all of them. Half of the time they go peer to peer, a quarter through the
relay and nothing else, a quarter is a group call (`group_setup`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from loadtest.enrolment import TEST_CODE, numbers
from loadtest.figures import Figure, percentile
from loadtest.group_setup import JoinSetUp, measure_joins
from loadtest.scenario import Options, ground
from ringline.client.client import Client
from ringline.client.events import CallReceived, MessageReceived
from ringline.client.store_memory import MemoryStore
from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sinks import CallbackSink
from ringline.media.sources import TestSource

CALLS_MIN: Final = 5
CALLS_MAX: Final = 200
READY_TIMEOUT_S: Final = 30.0
FRAME_TIMEOUT_S: Final = 30.0
RING_S: Final = 30
HOST_ADDRESSES: Final = ("127.0.0.1",)


@dataclass(slots=True)
class FirstFrames:
    """Monotonic times at one side of one call."""

    picture: "asyncio.Future[float]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    sound: "asyncio.Future[float]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def media(self, *, relay_only: bool = False) -> MediaPeer:
        """A test source, and a sink that notes when the first frame of each kind was decoded."""
        sink = CallbackSink(lambda _: _note(self.picture), lambda _: _note(self.sound))
        return MediaPeer(
            MediaPlan(source=TestSource(), sink=sink),
            host_addresses=HOST_ADDRESSES,
            relay_only=relay_only,
        )


def _note(first: "asyncio.Future[float]") -> None:
    if not first.done():
        first.set_result(time.monotonic())


@dataclass(frozen=True, slots=True)
class SetUp:
    """Milliseconds from `place_call`."""

    rings_ms: float
    caller_picture_ms: float
    caller_sound_ms: float
    callee_picture_ms: float


async def run(options: Options) -> list[Figure]:
    # The limits on calls are per minute, and far below what this scenario places.
    changes = {"messaging": {"calls_per_caller_minute": 100_000, "calls_per_pair_minute": 100_000}}
    async with ground(options, changes) as here, AsyncExitStack() as stack:
        caller, callee = [
            await stack.enter_async_context(_registered(here.stack.base, number))
            for number in numbers(2)
        ]
        await _acquaint(caller, callee)
        direct, relayed = [
            await _measure(options, caller, callee, options.seconds * share, relay_only)
            for relay_only, share in ((False, 0.5), (True, 0.25))
        ]
        joins = await measure_joins(options, options.seconds * 0.25, caller, callee)
    return [*_figures(direct), *_relayed_figures(relayed), *_join_figures(joins)]


async def _measure(
    options: Options, caller: Client, callee: Client, seconds: float, relay_only: bool
) -> list[SetUp]:
    answers: asyncio.Queue[FirstFrames] = asyncio.Queue()
    answering = asyncio.create_task(_answer(callee, answers, relay_only))
    listening = asyncio.create_task(_listen(caller))
    try:
        return await _calls(options, caller, callee, answers, seconds, relay_only)
    finally:
        answering.cancel()
        listening.cancel()
        await asyncio.gather(answering, listening, return_exceptions=True)


@asynccontextmanager
async def _registered(base: str, number: str) -> AsyncIterator[Client]:
    async with await Client.open(MemoryStore(), server=base) as client:
        await client.register(number, TEST_CODE)
        await client.ready(READY_TIMEOUT_S)
        yield client


async def _acquaint(caller: Client, callee: Client) -> None:
    """A message is the request, and accepting it lets their calls ring."""
    await caller.send(callee.account, "May I call?")
    async with asyncio.timeout(READY_TIMEOUT_S):
        async for event in callee.events():
            if isinstance(event, MessageReceived):
                break
    await callee.confirm()
    await callee.accept(caller.account)


async def _answer(callee: Client, answers: "asyncio.Queue[FirstFrames]", relay_only: bool) -> None:
    async for event in callee.events():
        if isinstance(event, CallReceived):
            frames = FirstFrames()
            answers.put_nowait(frames)
            await event.call.accept(partial(frames.media, relay_only=relay_only))


async def _listen(caller: Client) -> None:
    async for _ in caller.events():
        pass


async def _calls(
    options: Options,
    caller: Client,
    callee: Client,
    answers: "asyncio.Queue[FirstFrames]",
    seconds: float,
    relay_only: bool,
) -> list[SetUp]:
    options.tell("calling through the relay" if relay_only else "calling")
    await _call(caller, callee, answers, relay_only)
    set_ups: list[SetUp] = []
    began = time.monotonic()
    while len(set_ups) < CALLS_MIN or time.monotonic() - began < seconds:
        set_ups.append(await _call(caller, callee, answers, relay_only))
        if len(set_ups) == CALLS_MAX:
            break
    options.tell(f"{len(set_ups)} calls")
    return set_ups


async def _call(
    caller: Client, callee: Client, answers: "asyncio.Queue[FirstFrames]", relay_only: bool
) -> SetUp:
    """Raise TimeoutError when no frame comes, CallFailed of the SDK when the call ends before."""
    mine = FirstFrames()
    began = time.monotonic()
    media = partial(mine.media, relay_only=relay_only)
    call = await caller.place_call(callee.account, media, ring_s=RING_S)
    rings = time.monotonic()
    try:
        async with asyncio.timeout(FRAME_TIMEOUT_S):
            theirs = await answers.get()
            times = await asyncio.gather(mine.picture, mine.sound, theirs.picture)
    finally:
        await call.hang_up()
    return SetUp(*((at - began) * 1e3 for at in (rings, *times)))


def _figure(what: str, set_ups: Sequence[SetUp | JoinSetUp], name: str, share: float) -> Figure:
    values: list[Any] = [getattr(each, name) for each in set_ups]
    return Figure(name=f"{what}, p{share * 100:.0f}", unit="ms", ours=percentile(values, share))


def _relayed_figures(set_ups: list[SetUp]) -> list[Figure]:
    what = "relayed: place_call to the caller's first decoded picture"
    measured = [_figure(what, set_ups, "caller_picture_ms", share) for share in (0.5, 0.99)]
    return [*measured, Figure(name="relayed calls placed", unit="1", ours=len(set_ups))]


def _join_figures(set_ups: list[JoinSetUp]) -> list[Figure]:
    measured = [
        _figure(f"by the SFU: join to {what}", set_ups, name, share)
        for what, name in (
            ("the first decoded picture", "picture_ms"),
            ("the first decoded sound", "sound_ms"),
            ("media connected", "connected_ms"),
        )
        for share in (0.5, 0.99)
    ]
    return [*measured, Figure(name="group calls joined", unit="1", ours=len(set_ups))]


def _figures(set_ups: list[SetUp]) -> list[Figure]:
    measured = [
        _figure(f"place_call to {what}", set_ups, name, share)
        for what, name in (
            ("the caller's first decoded picture", "caller_picture_ms"),
            ("the caller's first decoded sound", "caller_sound_ms"),
            ("the callee's first decoded picture", "callee_picture_ms"),
            ("ringing", "rings_ms"),
        )
        for share in (0.5, 0.99)
    ]
    return [*measured, Figure(name="calls placed", unit="1", ours=len(set_ups))]
