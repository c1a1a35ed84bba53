"""From asking for a ticket to the first decoded picture and sound, in a group call by the SFU.

One client stays in a call and sends; another joins, sees, leaves, and joins again.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from loadtest.scenario import Options
from ringline.client.client import Client
from ringline.client.group_link import GroupLink
from ringline.client.net.group_call import GroupCall
from ringline.media.group_peer import GroupPeer
from ringline.media.sources import TestSource

JOINS_MIN: Final = 5
JOINS_MAX: Final = 100
FRAME_TIMEOUT_S: Final = 30.0
HOST_ADDRESSES: Final = ("127.0.0.1",)
POLL_S: Final = 0.002


@dataclass(frozen=True, slots=True)
class JoinSetUp:
    """Milliseconds from `join_group_call`."""

    connected_ms: float
    picture_ms: float
    sound_ms: float


async def measure_joins(
    options: Options, seconds: float, sender: Client, joiner: Client
) -> list[JoinSetUp]:
    """Raise TimeoutError when no frame comes, CallFailed of the SDK."""
    options.tell("joining by the SFU")
    made = await sender.create_group_call()
    link = GroupLink(made.call, made.link_token)
    staying = await sender.join_group_call(link, _peer())
    try:
        await _join(joiner, link)
        set_ups: list[JoinSetUp] = []
        began = time.monotonic()
        while len(set_ups) < JOINS_MIN or time.monotonic() - began < seconds:
            set_ups.append(await _join(joiner, link))
            if len(set_ups) == JOINS_MAX:
                break
    finally:
        await staying.leave()
    return set_ups


def _peer() -> GroupPeer:
    return GroupPeer(TestSource(), host_addresses=HOST_ADDRESSES)


async def _join(joiner: Client, link: GroupLink) -> JoinSetUp:
    began = time.monotonic()
    call = await joiner.join_group_call(link, _peer(), timeout_s=FRAME_TIMEOUT_S)
    connected = time.monotonic()
    try:
        async with asyncio.timeout(FRAME_TIMEOUT_S):
            picture, sound = await asyncio.gather(_first(call, "video"), _first(call, "audio"))
    finally:
        await call.leave()
    return JoinSetUp(*((at - began) * 1e3 for at in (connected, picture, sound)))


async def _first(call: GroupCall, kind: str) -> float:
    """When the first frame of this kind was decoded, within POLL_S."""
    while True:
        for each in call.media.statistics().values():
            if each.kind == kind and each.first_frame_ms is not None:
                return time.monotonic()
        await asyncio.sleep(POLL_S)
