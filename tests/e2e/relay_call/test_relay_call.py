"""Calls through a real relay process and no other way, between two clients of the SDK."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from ringline.client.call_media import IceServer
from ringline.client.call_side import EndReason
from ringline.client.client import Client
from ringline.client.net.call import Call
from ringline.media import description
from ringline.media.errors import MediaFailed
from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sources import TestSource
from ringline.media.statistics import CallStatistics
from ringlined.status import Status
from tests.e2e.sdk_stage import (
    DEADLINE_S,
    HOSTS,
    acquaint,
    hung,
    metrics,
    person,
    ringing,
    stack,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK_S: Final = 4.0
NO_RELAY_S_MAX: Final = 15.0
"""A client waits 2 s for a relay; the rest is for a busy machine."""


@dataclass(frozen=True, slots=True)
class Friends:
    status: Status
    ann: Client
    bob: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def friends(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Friends]:
    folder: Path = tmp_path_factory.mktemp("relay")
    async with AsyncExitStack() as open_things:
        status = await open_things.enter_async_context(stack(folder))
        ann = await open_things.enter_async_context(person(status.url, "+15550000021"))
        bob = await open_things.enter_async_context(person(status.url, "+15550000022"))
        await acquaint(ann, bob)
        yield Friends(status, ann, bob)


class Watched(MediaPeer):
    """Keeps what it tells the other side."""

    def __init__(self, told: list[str], *, relay_only: bool, seconds: float) -> None:
        super().__init__(
            MediaPlan(source=TestSource(seconds=seconds)),
            host_addresses=HOSTS,
            relay_only=relay_only,
        )
        self._told = told

    async def offer(self) -> bytes:
        body = await super().offer()
        self._told += _candidates(description.decode(body, "offer"))
        return body

    async def answer(self, offer: bytes) -> bytes:
        body = await super().answer(offer)
        self._told += _candidates(description.decode(body, "answer"))
        return body


def _candidates(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("a=candidate:")]


async def talk(
    friends: Friends,
    told: list[str],
    *,
    ann_relayed: bool,
    bob_relayed: bool,
    seconds: float = 1.0,
) -> tuple[CallStatistics, CallStatistics]:
    """A whole call: what both had of it."""
    call = await friends.ann.place_call(
        friends.bob.account, lambda: Watched(told, relay_only=ann_relayed, seconds=seconds)
    )
    incoming = await ringing(friends.bob)
    await incoming.accept(lambda: Watched(told, relay_only=bob_relayed, seconds=seconds))
    await asyncio.gather(call.active(DEADLINE_S), incoming.active(DEADLINE_S))
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(call.media_sent(), incoming.media_sent())
    await call.hang_up()
    assert await incoming.ended(DEADLINE_S) is EndReason.OTHER_HUNG_UP
    return _of(call), _of(incoming)


def _of(call: Call) -> CallStatistics:
    statistics = call.statistics()
    assert isinstance(statistics, CallStatistics)
    return statistics


async def test_relay_only_goes_by_the_relay_alone(friends: Friends) -> None:
    admin = friends.status.admin_urls["turn"]
    before = await metrics(admin)
    told: list[str] = []
    ours, theirs = await talk(friends, told, ann_relayed=True, bob_relayed=True, seconds=TALK_S)
    after = await metrics(admin)

    def relayed(direction: str) -> float:
        name = f'ringline_relay_octets_total{{direction="{direction}"}}'
        return after[name] - before.get(name, 0)

    assert told and all(" typ relay " in line for line in told), told
    assert not any("raddr" in line and "raddr 0.0.0.0 rport 9" not in line for line in told), told
    for side in (ours, theirs):
        assert (side.local_candidate, side.remote_candidate) == ("relay", "relay")
        assert side.video_frames_decoded >= 25 * TALK_S * 0.8
        assert side.audio_seconds_received >= TALK_S * 0.8
    counted = ours.bytes_sent + theirs.bytes_sent
    assert counted > 50_000, "enough that checks of the connection hardly weigh"
    # Every packet leaves one allocation for the other, and comes in there to be handed on.
    assert relayed("to_peer") == pytest.approx(counted, rel=0.05)
    assert relayed("to_client") == pytest.approx(
        ours.bytes_received + theirs.bytes_received, rel=0.05
    )
    assert after["ringline_relay_allocations_live"] == before["ringline_relay_allocations_live"]


async def test_one_side_alone_may_hide(friends: Friends) -> None:
    told: list[str] = []
    ours, theirs = await talk(friends, told, ann_relayed=True, bob_relayed=False)
    assert ours.local_candidate == "relay"
    assert theirs.remote_candidate == "relay"
    assert ours.video_frames_decoded and theirs.video_frames_decoded


async def test_who_need_not_hide_talks_directly(friends: Friends) -> None:
    told: list[str] = []
    ours, theirs = await talk(friends, told, ann_relayed=False, bob_relayed=False)
    for side in (ours, theirs):
        assert "relay" not in (side.local_candidate, side.remote_candidate)


async def test_without_an_answer_of_the_relay(friends: Friends) -> None:
    """Relay-only fails, soon and in plain words; a call that may go directly goes on."""
    with hung(friends.status.roles["turn"]):
        start_s = time.monotonic()
        with pytest.raises(MediaFailed, match="the relay gives no address"):
            await friends.ann.place_call(
                friends.bob.account, lambda: Watched([], relay_only=True, seconds=1)
            )
        assert time.monotonic() - start_s < NO_RELAY_S_MAX
        call = await friends.ann.place_call(
            friends.bob.account, lambda: Watched([], relay_only=False, seconds=1)
        )
        incoming = await ringing(friends.bob)
        await incoming.accept(lambda: Watched([], relay_only=False, seconds=1))
        await asyncio.gather(call.active(DEADLINE_S), incoming.active(DEADLINE_S))
        await call.hang_up()
        await incoming.ended(DEADLINE_S)


async def test_a_relay_that_refuses(friends: Friends) -> None:
    """A credential that is none: no address, and no other is used instead."""
    where = friends.status.media["turn"]
    server = IceServer([f"turn:{where}?transport=udp"], "1:2:none:none", "wrong")
    told: list[str] = []
    peer = Watched(told, relay_only=True, seconds=1)
    peer.use_servers(_only(server))
    with pytest.raises(MediaFailed, match="the relay gives no address"):
        await peer.offer()
    await peer.close()
    assert told == []


def _only(server: IceServer) -> Sequence[IceServer]:
    return [server]
