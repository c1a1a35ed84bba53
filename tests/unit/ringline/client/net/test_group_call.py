"""The stay, against an SFU and media of our own making."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest

from ringline.client.errors import CallFailed, DeadlinePassed, Refused, Unreachable, UsageError
from ringline.client.group_side import Came, Published, Unpublished
from ringline.client.net import group_call
from ringline.client.net.group_call import GroupCall, GroupEvent, GroupPhase, PhaseChanged
from ringline.client.net.group_socket import GroupSocket, NodeGone
from ringline.media.errors import MediaFailed
from ringline.protocol import sfu
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import JoinTicket
from ringline.protocol.sfu import Participant, Track, TrackKind, TrackSource

CALL = uuid.UUID(int=7)
F = TypeVar("F")
DEADLINE_S = 5.0


@dataclass
class Described:
    sdp: str
    publish: dict[str, str]
    subscribe: dict[str, str]


class Media:
    """Sections by number, as the real one has them."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = list(kinds)
        self.on_lost: Callable[[], None] | None = None
        self.log: list[str] = []
        self.receiving: list[str] = []
        self.answers: list[str] = []
        self.gone = False
        self.closed = False

    def use_servers(self, servers: Any) -> None:
        self.log.append(f"servers {list(servers)}")

    async def begin_anew(self) -> None:
        self.log.append("anew")
        self.receiving.clear()
        self.gone = False

    def receive(self, track: str, kind: str) -> None:
        self.log.append(f"receive {track} {kind}")
        if track not in self.receiving:
            self.receiving.append(track)

    def stop(self, track: str) -> None:
        self.log.append(f"stop {track}")
        self.receiving.remove(track)

    def set_muted(self, kind: str, muted: bool) -> None:
        self.log.append(f"mute {kind} {muted}")

    async def offer(self) -> Described:
        if self.gone:
            raise MediaFailed("gone")
        sending = {str(i): kind for i, kind in enumerate(self.kinds)}
        return Described("sdp", sending, {f"r{i}": t for i, t in enumerate(self.receiving)})

    async def accept_answer(self, sdp: str) -> None:
        self.answers.append(sdp)

    def statistics(self) -> dict[str, Any]:
        return {}

    async def wait_sent(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True


class Socket:
    """The SFU's side of one connection."""

    def __init__(self) -> None:
        self.close_code: int | None = None
        self.sent: asyncio.Queue[sfu.AnySfuClientFrame] = asyncio.Queue()
        self._coming: asyncio.Queue[sfu.AnySfuServerFrame | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def send(self, frame: sfu.AnySfuClientFrame) -> None:
        if self.closed.is_set():
            raise Unreachable("closed")
        self.sent.put_nowait(frame)

    async def frames(self) -> AsyncIterator[sfu.AnySfuServerFrame]:
        while (frame := await self._coming.get()) is not None:
            yield frame

    async def close(self) -> None:
        self.closed.set()
        self._coming.put_nowait(None)

    # For the test.

    def say(self, *frames: sfu.AnySfuServerFrame) -> None:
        for frame in frames:
            self._coming.put_nowait(frame)

    def end(self, code: int | None) -> None:
        self.close_code = code
        self._coming.put_nowait(None)

    async def heard(self, kind: type[F]) -> F:
        async with asyncio.timeout(DEADLINE_S):
            frame = await self.sent.get()
        assert isinstance(frame, kind), frame
        return frame

    async def answer(self, **problem: Any) -> sfu.Offer:
        """The next offer, answered (or refused)."""
        offer = await self.heard(sfu.Offer)
        if problem:
            self.say(sfu.Error(ref=offer.ref, problem=ProblemType.RATE_LIMITED.describe(**problem)))
            return offer
        published = {mid: f"own-{mid}" for mid in offer.publish}
        self.say(
            sfu.Answer(
                ref=offer.ref, sdp="answer", published=published, subscribed=dict(offer.subscribe)
            )
        )
        return offer

    async def welcome(self, *others: Participant, own: str = "me", secret: str = "s" * 43) -> Any:
        """The first frame, and `joined`."""
        first = await self.heard(sfu.Join | sfu.Resume)  # type: ignore[arg-type]
        self.say(
            sfu.Joined(
                ref=first.ref,
                call=CALL,
                participant=own,
                resume_secret=secret,
                resumed=isinstance(first, sfu.Resume),
                heartbeat_s=25,
                participants=list(others),
            )
        )
        return first


@dataclass
class Stage:
    media: Media
    call: GroupCall = field(init=False)
    sockets: "asyncio.Queue[Socket]" = field(default_factory=asyncio.Queue)
    tickets: int = 0
    refusal: Exception | None = None
    unreachable: int = 0
    why_not: Exception = field(default_factory=lambda: Unreachable("no way"))
    meanwhile: Callable[[], None] | None = None
    """Happens while a connection is being opened."""
    events: list[GroupEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.call = GroupCall(
            CALL,
            self.media,
            name="Ann",
            ticket=self._ticket,
            open_socket=self._open,
            ice_servers=self._servers,
            uniform=lambda: 0.0,
        )

    async def _ticket(self) -> JoinTicket:
        if self.refusal is not None:
            raise self.refusal
        self.tickets += 1
        return JoinTicket(ticket="t" * 20, node="node-1", path="/v1/sfu/node-1", expires_at=0)

    async def _open(self, path: str) -> GroupSocket:
        assert path == "/v1/sfu/node-1"
        if self.unreachable:
            self.unreachable -= 1
            if self.meanwhile is not None:
                self.meanwhile()
            raise self.why_not
        socket = Socket()
        self.sockets.put_nowait(socket)
        return cast(GroupSocket, socket)

    @staticmethod
    async def _servers(call: uuid.UUID) -> list[Any]:
        assert call == CALL
        return []

    async def socket(self) -> Socket:
        async with asyncio.timeout(DEADLINE_S):
            return await self.sockets.get()

    async def in_call(self, *others: Participant) -> Socket:
        joining = asyncio.create_task(self.call.join(DEADLINE_S))
        socket = await self.socket()
        await socket.welcome(*others)
        await socket.answer()
        socket.say(sfu.MediaConnected())
        await joining
        return socket

    async def seen(self, kind: type[F], test: Callable[[F], bool] = lambda _: True) -> F:
        async with asyncio.timeout(DEADLINE_S):
            async for event in self.call.events():
                self.events.append(event)
                if isinstance(event, kind) and test(event):
                    return event
        raise AssertionError(self.events)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage(Media("audio", "video"))
    yield stage
    await stage.call.leave()
    assert stage.media.closed


def person(name: str, *tracks: str) -> Participant:
    return Participant(
        participant=name,
        account=uuid.UUID(int=2),
        device=1,
        name=name,
        tracks=[
            Track(track=each, kind=TrackKind.VIDEO, source=TrackSource.CAMERA, muted=False)
            for each in tracks
        ],
    )


def published(track: str) -> sfu.TrackPublished:
    return sfu.TrackPublished(participant="bob", track=person("bob", track).tracks[0])


async def test_joining_offers_what_one_has_and_takes_what_is_there(stage: Stage) -> None:
    joining = asyncio.create_task(stage.call.join(DEADLINE_S))
    socket = await stage.socket()
    join = await socket.welcome(person("bob", "b1"))
    assert isinstance(join, sfu.Join)
    assert (join.ticket, join.name) == ("t" * 20, "Ann")
    offer = await socket.answer()
    assert {mid: each.source for mid, each in offer.publish.items()} == {
        "0": TrackSource.MICROPHONE,
        "1": TrackSource.CAMERA,
    }
    assert offer.subscribe == {"r0": "b1"}
    assert not joining.done(), "media cannot flow yet"
    socket.say(sfu.MediaConnected())
    await joining
    assert stage.call.phase is GroupPhase.ACTIVE
    assert stage.media.log[:2] == ["servers []", "anew"]
    assert (await stage.seen(Came)).participant.name == "bob"


async def test_one_offer_at_a_time(stage: Stage) -> None:
    socket = await stage.in_call(person("bob"))
    socket.say(published("b1"))
    first = await socket.heard(sfu.Offer)
    socket.say(published("b2"), published("b3"))
    await stage.seen(Published, lambda event: event.track.track == "b3")
    assert socket.sent.empty(), "the first is not answered yet"
    socket.say(sfu.Answer(ref=first.ref, sdp="one", published={}, subscribed={}))
    second = await socket.answer()
    assert list(second.subscribe.values()) == ["b1", "b2", "b3"], "both in one"
    assert "one" in stage.media.answers


async def test_what_ends_is_offered_no_more(stage: Stage) -> None:
    socket = await stage.in_call(person("bob", "b1", "b2"))
    socket.say(sfu.TrackEnded(participant="bob", track="b1"))
    offer = await socket.answer()
    assert list(offer.subscribe.values()) == ["b2"]
    assert (await stage.seen(Unpublished)).track.track == "b1"


async def test_an_offer_that_came_too_soon_is_made_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_call, "OFFER_PAUSE_S_MAX", 0.01)
    socket = await stage.in_call(person("bob"))
    socket.say(published("b1"))
    await socket.answer(retry_after_s=3600)
    assert (await socket.answer()).subscribe == {"r0": "b1"}


async def test_a_refusal_of_something_else_is_no_answer(stage: Stage) -> None:
    socket = await stage.in_call(person("bob"))
    await stage.call.mute("video", True)
    mute = await socket.heard(sfu.Mute)
    assert (mute.track, mute.muted) == ("own-1", True)
    socket.say(published("b1"))
    offer = await socket.heard(sfu.Offer)
    assert offer.publish["1"].muted
    socket.say(
        sfu.Error(ref=mute.ref, problem=ProblemType.NOT_FOUND.describe()),
        sfu.Answer(ref=offer.ref, sdp="yes", published={}, subscribed={}),
    )
    socket.say(published("b2"))
    await socket.answer()
    assert "yes" in stage.media.answers
    assert stage.call.phase is GroupPhase.ACTIVE


async def test_only_what_is_sent_can_be_muted() -> None:
    stage = Stage(Media("audio"))
    await stage.in_call()
    with pytest.raises(UsageError):
        await stage.call.mute("video", True)
    await stage.call.leave()


async def test_a_lost_socket_is_taken_up_again(stage: Stage) -> None:
    socket = await stage.in_call(person("bob", "b1"))
    socket.end(None)
    assert (await stage.seen(PhaseChanged, lambda e: e.phase is GroupPhase.RECONNECTING)).reason
    again = await stage.socket()
    first = await again.welcome(person("bob", "b1"), secret="n" * 43)
    assert isinstance(first, sfu.Resume)
    assert first.secret == "s" * 43
    await stage.seen(PhaseChanged, lambda e: e.phase is GroupPhase.ACTIVE)
    assert stage.tickets == 1, "the ticket was used up"
    assert stage.media.log.count("anew") == 1, "media went on"
    again.end(CloseCode.GOING_AWAY)
    third = await stage.socket()
    resume = await third.welcome(person("bob", "b1"))
    assert resume.secret == "n" * 43, "each resumed stay has another"


@pytest.mark.parametrize("code", [CloseCode.TICKET_REFUSED, CloseCode.MEDIA_LOST])
async def test_when_the_stay_is_gone_a_new_one_begins(stage: Stage, code: CloseCode) -> None:
    socket = await stage.in_call(person("bob", "b1"))
    socket.end(code)
    again = await stage.socket()
    first = await again.welcome(person("bob", "b1"), own="me-2")
    assert isinstance(first, sfu.Join)
    assert stage.tickets == 2
    offer = await again.answer()
    assert stage.media.log[-2:] == ["anew", "receive b1 video"], "all is news to it"
    assert offer.subscribe == {"r0": "b1"}
    again.say(sfu.MediaConnected())
    await stage.seen(PhaseChanged, lambda e: e.phase is GroupPhase.RECONNECTING)
    await stage.seen(PhaseChanged, lambda e: e.phase is GroupPhase.ACTIVE)
    assert stage.call.side.own == "me-2"


async def test_media_that_dies_here_is_made_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_call, "LAST_WORD_S", 0.01)
    socket = await stage.in_call()
    stage.media.gone = True
    assert stage.media.on_lost is not None
    stage.media.on_lost()
    socket.say(published("b1"))  # an offer that is no longer possible must not end the stay
    again = await stage.socket()
    assert isinstance(await again.welcome(), sfu.Join)


async def test_the_sfus_last_word_counts_when_media_dies_first(stage: Stage) -> None:
    socket = await stage.in_call()
    assert stage.media.on_lost is not None
    stage.media.on_lost()
    socket.end(CloseCode.CALL_ENDED)
    assert await asyncio.wait_for(stage.call.ended(), DEADLINE_S) == "call-ended"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CloseCode.REMOVED, "removed"),
        (CloseCode.CALL_ENDED, "call-ended"),
        (CloseCode.REPLACED, "replaced"),
    ],
)
async def test_ends_for_good(stage: Stage, code: CloseCode, reason: str) -> None:
    socket = await stage.in_call()
    socket.end(code)
    assert await asyncio.wait_for(stage.call.ended(), DEADLINE_S) == reason
    assert stage.call.phase is GroupPhase.ENDED
    assert stage.sockets.empty()


@pytest.mark.parametrize(
    ("problem", "reason"),
    [(ProblemType.CALL_STATE, "call-ended"), (ProblemType.FORBIDDEN, "removed")],
)
async def test_no_ticket_any_more(stage: Stage, problem: ProblemType, reason: str) -> None:
    socket = await stage.in_call()
    stage.refusal = Refused(problem.describe())
    socket.end(CloseCode.MEDIA_LOST)
    assert await asyncio.wait_for(stage.call.ended(), DEADLINE_S) == reason


async def test_a_refused_joining_says_why(stage: Stage) -> None:
    stage.refusal = Refused(ProblemType.FORBIDDEN.describe())
    with pytest.raises(Refused):
        await stage.call.join(DEADLINE_S)


async def test_closed_while_joining(stage: Stage) -> None:
    joining = asyncio.create_task(stage.call.join(DEADLINE_S))
    (await stage.socket()).end(CloseCode.REMOVED)
    with pytest.raises(CallFailed, match="removed"):
        await joining


async def test_a_node_that_is_away_for_a_moment(stage: Stage) -> None:
    stage.unreachable = 2
    await stage.in_call()
    assert stage.tickets == 3, "a ticket that may have been used is not used again"


async def test_not_in_time(stage: Stage) -> None:
    stage.unreachable = 1_000
    with pytest.raises(DeadlinePassed, match="no way"):
        await stage.call.join(0.3)
    assert stage.call.phase is GroupPhase.ENDED


async def test_a_node_that_says_nothing_is_left(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_call, "JOINED_TIMEOUT_S", 0.05)
    joining = asyncio.create_task(stage.call.join(DEADLINE_S))
    silent = await stage.socket()
    async with asyncio.timeout(DEADLINE_S):
        await silent.closed.wait()
    again = await stage.socket()
    await again.welcome()
    await again.answer()
    again.say(sfu.MediaConnected())
    await joining


async def test_an_unanswered_offer_costs_the_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await stage.in_call()
    monkeypatch.setattr(group_call, "ANSWER_TIMEOUT_S", 0.05)
    socket.say(published("b1"))
    # Of somebody who is not there: no change, no offer.
    socket.say(sfu.ParticipantJoined(participant=person("bob", "b1")))
    await socket.heard(sfu.Offer)
    again = await stage.socket()
    assert isinstance(await again.welcome(person("bob", "b1")), sfu.Resume)


async def test_not_back_in_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_call, "REJOIN_S", 0.2)
    socket = await stage.in_call()
    stage.unreachable = 1_000
    socket.end(None)
    assert await asyncio.wait_for(stage.call.ended(), DEADLINE_S) == "unreachable"


async def test_a_node_that_is_gone_is_not_asked_again(stage: Stage) -> None:
    socket = await stage.in_call()
    stage.unreachable, stage.why_not = 1, NodeGone("404")
    socket.end(CloseCode.GOING_AWAY)
    again = await stage.socket()
    assert isinstance(await again.welcome(), sfu.Join)
    assert stage.tickets == 2


async def test_media_that_dies_while_the_node_is_away_is_made_anew(stage: Stage) -> None:
    socket = await stage.in_call()
    stage.unreachable, stage.meanwhile = 1, stage.media.on_lost
    socket.end(None)
    again = await stage.socket()
    assert isinstance(await again.welcome(), sfu.Join)


async def test_a_listener_is_in_before_anybody_sends() -> None:
    stage = Stage(Media())
    joining = asyncio.create_task(stage.call.join(DEADLINE_S))
    socket = await stage.socket()
    await socket.welcome(person("bob"))
    await joining
    assert socket.sent.empty(), "there is nothing to offer"
    socket.say(published("b1"))
    assert (await socket.answer()).subscribe == {"r0": "b1"}
    await stage.call.leave()


async def test_leaving_is_said(stage: Stage) -> None:
    socket = await stage.in_call()
    await stage.call.leave()
    await socket.heard(sfu.Leave)
    assert await stage.call.ended() == "left"
    await stage.call.leave()
    last = [event async for event in stage.call.events()][-1]
    assert last == PhaseChanged(GroupPhase.ENDED, "left")


async def test_events_that_nobody_reads_have_a_limit(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_call, "EVENTS_MAX", 3)
    bounded = Stage(stage.media)
    socket = await bounded.in_call(*(person(f"p{number}") for number in range(5)))
    assert bounded.call.events_dropped == 3, "five came, and two phases"
    socket.end(CloseCode.CALL_ENDED)
    await bounded.call.ended()
    kept = [event async for event in bounded.call.events()]
    assert kept[-1] == PhaseChanged(GroupPhase.ENDED, "call-ended")
    await bounded.call.leave()
