"""Calls between clients of a real gateway; with media of our own making, and with the real thing."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from ringline.client.call_media import IceServer
from ringline.client.call_side import CallPhase, EndReason
from ringline.client.client import Client
from ringline.client.errors import CallFailed, Refused
from ringline.client.events import CallChanged, CallMissed, CallReceived
from ringline.client.net.call import Call, IncomingCall
from ringline.media.errors import MediaFailed, MediaRefused
from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sources import TestSource
from ringline.protocol.types import CallKind
from tests.integration.client.conftest import StartClient
from tests.integration.client.hearing import DEADLINE_S, hear
from tests.integration.gateway.stage import until


class StillMedia:
    """Opaque bodies, and a connection that is there as soon as both are known."""

    made = 0

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self.closed = False
        StillMedia.made += 1

    def use_servers(self, servers: Sequence[IceServer]) -> None:
        self.servers = list(servers)

    async def offer(self) -> bytes:
        return b"offer"

    async def answer(self, offer: bytes) -> bytes:
        if self._refuses or offer != b"offer":
            raise MediaRefused("not that")
        self._up.set()
        return b"answer"

    async def accept_answer(self, answer: bytes) -> None:
        if self._refuses or answer != b"answer":
            raise MediaRefused("not that")
        self._up.set()

    async def connected(self, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            await self._up.wait()

    async def wait_ended(self) -> str:
        await self._down.wait()
        return "closed"

    async def wait_sent(self) -> None:
        await self._down.wait()

    def statistics(self) -> object:
        return {"closed": self.closed}

    async def close(self) -> None:
        self.closed = True
        self._down.set()


@pytest.fixture
async def friends(ann: Client, bob: Client) -> tuple[Client, Client]:
    await ann.accept(bob.account)
    await bob.accept(ann.account)
    return ann, bob


async def ringing(client: Client) -> IncomingCall:
    return (await hear(client, CallReceived)).call


async def over(call: Call, reason: EndReason) -> None:
    assert await call.ended(DEADLINE_S) is reason
    if call.statistics() is not None:
        assert call.statistics()["closed"]


async def test_a_call_and_its_end(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    assert (incoming.id, incoming.account) == (call.id, ann.account)
    await until(lambda: call.rang)
    await incoming.accept(StillMedia)
    await call.active(DEADLINE_S)
    await incoming.active(DEADLINE_S)
    await call.hang_up()
    await over(call, EndReason.HUNG_UP)
    await over(incoming, EndReason.OTHER_HUNG_UP)
    phases = set()
    while CallPhase.ENDED not in phases:
        phases.add((await hear(bob, CallChanged)).call.phase)
    await call.hang_up()


async def test_the_callee_hangs_up(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    await incoming.accept(StillMedia)
    await call.active(DEADLINE_S)
    await incoming.hang_up()
    await over(call, EndReason.OTHER_HUNG_UP)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (IncomingCall.decline, EndReason.DECLINED),
        (IncomingCall.busy, EndReason.BUSY),
        (IncomingCall.hang_up, EndReason.DECLINED),
    ],
)
async def test_turned_away(
    friends: tuple[Client, Client], act: Callable[[IncomingCall], object], reason: EndReason
) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    await act(incoming)  # type: ignore[misc]
    await over(call, reason)
    assert incoming.phase is CallPhase.ENDED
    with pytest.raises(CallFailed):
        await incoming.accept(StillMedia)
    with pytest.raises(CallFailed, match=reason.value):
        await call.active(1)


async def test_cancelled_is_missed(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    await call.hang_up()
    await over(call, EndReason.CANCELLED)
    await over(incoming, EndReason.CANCELLED)
    assert (await hear(bob, CallMissed)).call == call.id


async def test_nobody_answers(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia, ring_s=1)
    incoming = await ringing(bob)
    await over(call, EndReason.TIMED_OUT)
    await over(incoming, EndReason.MISSED)
    missed = await hear(bob, CallMissed)
    assert (missed.call, missed.caller) == (call.id, ann.account)


async def test_a_missed_call_waits(
    friends: tuple[Client, Client], open_client: StartClient
) -> None:
    ann, bob = friends
    tablet = await open_client()
    await tablet.link((await bob.link_code()).link_code)
    await bob.close()
    call = await ann.place_call(tablet.account, StillMedia, ring_s=1)
    await over(call, EndReason.TIMED_OUT)
    assert (await hear(tablet, CallMissed)).call == call.id


async def test_only_contacts_ring(ann: Client, bob: Client) -> None:
    with pytest.raises(Refused) as refused:
        await ann.place_call(bob.account, StillMedia)
    assert refused.value.name == "not-accepted"
    with pytest.raises(Refused) as refused:
        await ann.place_call(uuid.uuid4(), StillMedia)
    assert refused.value.name == "not-found"


async def test_the_first_device_takes_it(
    friends: tuple[Client, Client], open_client: StartClient
) -> None:
    ann, bob = friends
    tablet = await open_client()
    await tablet.link((await bob.link_code()).link_code)
    call = await ann.place_call(bob.account, StillMedia)
    one, other = await ringing(bob), await ringing(tablet)
    results = await asyncio.gather(
        one.accept(StillMedia), other.accept(StillMedia), return_exceptions=True
    )
    await call.active(DEADLINE_S)
    winner, loser = (one, other) if results[0] is None else (other, one)
    assert isinstance(results[1 if winner is one else 0], CallFailed)
    await over(loser, EndReason.TAKEN_ELSEWHERE)
    await winner.active(DEADLINE_S)
    await winner.hang_up()
    await over(call, EndReason.OTHER_HUNG_UP)


async def test_declined_on_another_device(
    friends: tuple[Client, Client], open_client: StartClient
) -> None:
    ann, bob = friends
    tablet = await open_client()
    await tablet.link((await bob.link_code()).link_code)
    call = await ann.place_call(bob.account, StillMedia)
    one, other = await ringing(bob), await ringing(tablet)
    await one.decline()
    await over(other, EndReason.TAKEN_ELSEWHERE)
    assert other.outcome is CallKind.DECLINE
    await over(call, EndReason.DECLINED)


@pytest.mark.parametrize("attempt", range(6))
async def test_glare_becomes_one_call(friends: tuple[Client, Client], attempt: int) -> None:
    ann, bob = friends
    made = StillMedia.made
    calls = await asyncio.gather(
        ann.place_call(bob.account, StillMedia), bob.place_call(ann.account, StillMedia)
    )
    for call in calls:
        await call.active(DEADLINE_S)
    assert calls[0].id == calls[1].id
    assert StillMedia.made == made + 3, "the loser made its media anew"
    await calls[attempt % 2].hang_up()
    await over(calls[attempt % 2], EndReason.HUNG_UP)
    await over(calls[1 - attempt % 2], EndReason.OTHER_HUNG_UP)


async def test_calling_back_while_it_rings(friends: tuple[Client, Client]) -> None:
    """Late glare: the callee dials instead of answering."""
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    back = await bob.place_call(ann.account, StillMedia)
    await call.active(DEADLINE_S)
    await back.active(DEADLINE_S)
    assert back.id == call.id
    assert incoming.reason is EndReason.JOINED
    await back.hang_up()
    await over(call, EndReason.OTHER_HUNG_UP)


async def test_media_that_is_refused(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    with pytest.raises(MediaRefused):
        await incoming.accept(partial(StillMedia, refuses=True))
    assert await incoming.ended(DEADLINE_S) is EndReason.MEDIA_FAILED
    call2 = await again(ann, bob, call)
    assert call2.error is not None


async def again(ann: Client, bob: Client, first: Call) -> Call:
    """The caller's media refuses the answer."""
    await first.hang_up()
    call = await ann.place_call(bob.account, partial(StillMedia, refuses=True))
    incoming = await ringing(bob)
    await incoming.accept(StillMedia)
    assert await call.ended(DEADLINE_S) is EndReason.MEDIA_FAILED
    assert await incoming.ended(DEADLINE_S) is EndReason.OTHER_HUNG_UP
    return call


async def test_media_that_cannot_be_made(friends: tuple[Client, Client]) -> None:
    ann, bob = friends

    def broken() -> StillMedia:
        raise MediaFailed("no address")

    with pytest.raises(MediaFailed):
        await ann.place_call(bob.account, broken)
    call = await ann.place_call(bob.account, StillMedia)
    await call.hang_up()


async def test_media_that_ends_by_itself(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    media: list[StillMedia] = []

    def kept() -> StillMedia:
        media.append(StillMedia())
        return media[-1]

    call = await ann.place_call(bob.account, kept)
    incoming = await ringing(bob)
    await incoming.accept(StillMedia)
    await call.active(DEADLINE_S)
    await media[0].close()
    await over(call, EndReason.MEDIA_ENDED)
    await over(incoming, EndReason.OTHER_HUNG_UP)


async def test_closing_the_client_hangs_up(friends: tuple[Client, Client]) -> None:
    ann, bob = friends
    call = await ann.place_call(bob.account, StillMedia)
    incoming = await ringing(bob)
    await incoming.accept(StillMedia)
    await call.active(DEADLINE_S)
    await bob.close()
    await over(call, EndReason.OTHER_HUNG_UP)


async def test_a_program_that_takes_no_calls_leaves_them(
    friends: tuple[Client, Client], open_client: StartClient
) -> None:
    ann, bob = friends
    store = bob._platform.store.store
    await bob.close()
    deaf = await open_client(store, take_calls=False)
    await deaf.ready(DEADLINE_S)
    call = await ann.place_call(bob.account, StillMedia)
    message = await ann.send(bob.account, "and a message behind it")
    await message.delivered(DEADLINE_S)
    await deaf.close()
    listening = await open_client(store)
    incoming = await ringing(listening)
    assert incoming.id == call.id
    await incoming.decline()


async def test_sound_and_pictures(friends: tuple[Client, Client]) -> None:
    ann, bob = friends

    def media() -> MediaPeer:
        return MediaPeer(MediaPlan(source=TestSource()), host_addresses=["127.0.0.1"])

    call = await ann.place_call(bob.account, media)
    incoming = await ringing(bob)
    await incoming.accept(media)
    await call.active(DEADLINE_S)
    await incoming.active(DEADLINE_S)
    for each in (call, incoming):
        await until(lambda each=each: each.statistics().video_frames_decoded > 12, 15)  # type: ignore[misc]
    await call.hang_up()
    await incoming.ended(DEADLINE_S)
    for each in (call, incoming):
        statistics = each.statistics()
        assert statistics.first_frame_ms < 5_000
        assert statistics.audio_seconds_received > 0.2
        assert statistics.loss_fraction < 0.05
