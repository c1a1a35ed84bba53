"""Three clients of the SDK in one group call through a real SFU process: everybody sees and hears
everybody, whatever happens to their sockets."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import pytest_asyncio

from ringline.client.client import Client
from ringline.client.errors import Refused
from ringline.client.group_link import GroupLink, read_link
from ringline.client.group_side import Came, Muted, Published, Went
from ringline.client.net.group_call import GroupCall, GroupEvent, GroupPhase, PhaseChanged
from ringline.media.group_peer import GroupPeer, TrackStatistics
from ringline.media.sources import TestSource
from ringline.protocol.sfu import LeaveReason
from ringlined.status import Status, read_status
from tests.e2e.sdk_stage import DEADLINE_S, HOSTS, metrics, person, stack
from tests.integration.client.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURES: Final = 20
REPLACED_S_MAX: Final = 45.0
"""The dead node is in the registry for up to 15 s; the rest is for a busy machine."""
NAMES: Final = ("Ann", "Bob", "Cleo")
E = TypeVar("E")


@dataclass
class Member:
    """One person's stay, and what was told of it."""

    name: str
    call: GroupCall
    peer: GroupPeer
    events: list[GroupEvent] = field(default_factory=list)
    _reader: "asyncio.Task[None] | None" = None

    def listen(self) -> None:
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.call.events():
            self.events.append(event)

    async def heard(self, kind: type[E], test: Callable[[E], bool] = lambda _: True) -> E:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and test(event):
                        return event
                await asyncio.sleep(0.02)

    async def until(self, condition: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - counted in other tasks
                await asyncio.sleep(0.02)

    def received(self, name: str) -> dict[str, TrackStatistics]:
        """By kind, what is received of that person now."""
        numbers = self.peer.statistics()
        return {
            track.kind.value: numbers[track.track]
            for each, track in self.call.side.tracks().values()
            if each.name == name
        }

    def perceives(self, name: str, more_than: "dict[str, TrackStatistics] | None" = None) -> bool:
        """Pictures and sound, beyond what there was before."""
        now, before = self.received(name), more_than or {}
        if set(now) != {"audio", "video"}:
            return False
        pictures = before["video"].frames_decoded if "video" in before else 0
        sound = before["audio"].audio_seconds if "audio" in before else 0.0
        return (
            now["video"].frames_decoded >= pictures + PICTURES
            and now["audio"].audio_seconds >= sound + 0.5
        )

    async def leave(self) -> None:
        await self.call.leave()
        if self._reader is not None:
            await asyncio.wait_for(self._reader, DEADLINE_S)


@dataclass(frozen=True, slots=True)
class Stage:
    status: Status
    clients: dict[str, Client]
    proxy: Proxy
    """Between Cleo and the gateway."""
    folder: Path

    def sfu_process(self) -> int:
        """Of now: one that died is replaced."""
        status = read_status(self.folder / "stack")
        assert status is not None
        return status.roles["sfu"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("group")
    async with AsyncExitStack() as open_things:
        status = await open_things.enter_async_context(stack(folder))
        proxy = await Proxy.start(int(status.url.rpartition(":")[2]))
        open_things.push_async_callback(proxy.stop)
        clients = {}
        for number, name in enumerate(NAMES):
            url = proxy.url if name == "Cleo" else status.url
            clients[name] = await open_things.enter_async_context(
                person(url, f"+1555000003{number}")
            )
        yield Stage(status, clients, proxy, folder)


@pytest_asyncio.fixture(loop_scope="module")
async def meeting(stage: Stage) -> AsyncIterator["Meeting"]:
    made = await stage.clients["Ann"].create_group_call()
    meeting = Meeting(stage, GroupLink(made.call, made.link_token))
    yield meeting
    for member in reversed(meeting.members):
        await member.leave()


class Meeting:
    def __init__(self, stage: Stage, link: GroupLink) -> None:
        self.stage = stage
        self.link = link
        self.members: list[Member] = []

    async def join(self, name: str, **options: Any) -> Member:
        peer = GroupPeer(TestSource(), host_addresses=HOSTS, **options)
        call = await self.stage.clients[name].join_group_call(
            self.link, peer, name=name, timeout_s=DEADLINE_S
        )
        member = Member(name, call, peer)
        member.listen()
        self.members.append(member)
        return member

    async def everybody(self) -> tuple[Member, Member, Member]:
        """All three, seeing and hearing each other."""
        ann, bob, cleo = await asyncio.gather(*(self.join(name) for name in NAMES))
        await self.all_perceive()
        return ann, bob, cleo

    async def all_perceive(self) -> None:
        await asyncio.gather(
            *(
                each.until(lambda each=each, other=other: each.perceives(other.name))  # type: ignore[misc]
                for each in self.members
                for other in self.members
                if other is not each
            )
        )


async def test_everybody_sees_and_hears_everybody(meeting: Meeting) -> None:
    ann, bob, cleo = await meeting.everybody()
    for each in (ann, bob, cleo):
        others = {known.name for known in each.call.side.participants.values()}
        assert others == set(NAMES) - {each.name}
        for numbers in each.peer.statistics().values():
            assert numbers.first_frame_ms is not None
            assert 0 < numbers.first_frame_ms < DEADLINE_S * 1000
    came = {event.participant.name for event in ann.events if isinstance(event, Came)}
    assert came == {"Bob", "Cleo"}
    await cleo.leave()
    went = await ann.heard(Went)
    assert (went.participant.name, went.reason) == ("Cleo", LeaveReason.LEFT)
    assert ann.received("Cleo") == {}
    before = ann.received("Bob")
    await ann.until(lambda: ann.perceives("Bob", more_than=before))
    assert cleo.call.phase is GroupPhase.ENDED
    assert await cleo.call.ended() == "left"


async def test_the_muted_are_not_heard(meeting: Meeting) -> None:
    ann, bob = await asyncio.gather(meeting.join("Ann"), meeting.join("Bob"))
    await meeting.all_perceive()
    await bob.call.mute("video", True)
    told = await ann.heard(Muted)
    assert (told.participant.name, told.track.kind.value, told.track.muted) == (
        "Bob",
        "video",
        True,
    )
    still = await _stands_still(ann, "Bob")
    sound = ann.received("Bob")["audio"].audio_seconds
    await ann.until(lambda: ann.received("Bob")["audio"].audio_seconds > sound + 0.5)
    assert ann.received("Bob")["video"].frames_decoded == still
    await bob.call.mute("video", False)
    await ann.heard(Muted, lambda event: not event.track.muted)
    await ann.until(lambda: ann.received("Bob")["video"].frames_decoded >= still + PICTURES)


async def _stands_still(member: Member, name: str) -> int:
    """Pictures decoded until there are no more."""

    def pictures() -> int:
        return member.received(name)["video"].frames_decoded

    async with asyncio.timeout(DEADLINE_S):
        while True:
            before = pictures()
            await asyncio.sleep(0.5)
            if pictures() == before:
                return before


async def test_a_cut_socket_costs_no_picture(meeting: Meeting) -> None:
    """Media goes on, the stay is taken up again, and nobody else notices."""
    ann, _, cleo = await meeting.everybody()
    before, own, ours = cleo.received("Ann"), cleo.call.side.own, ann.received("Cleo")
    meeting.stage.proxy.cut()
    await cleo.heard(PhaseChanged, lambda event: event.phase is GroupPhase.RECONNECTING)
    await cleo.until(lambda: cleo.call.phase is GroupPhase.ACTIVE)
    assert cleo.call.side.own == own, "the same stay"
    await cleo.until(lambda: cleo.perceives("Ann", more_than=before))
    await ann.until(lambda: ann.perceives("Cleo", more_than=ours))
    assert not any(isinstance(event, Went) for event in ann.events)


async def test_who_comes_back_late_joins_anew(meeting: Meeting) -> None:
    """The stay has ended meanwhile (its resume is refused): a new ticket, a new connection."""
    ann, cleo = await asyncio.gather(meeting.join("Ann"), meeting.join("Cleo"))
    await meeting.all_perceive()
    own = cleo.call.side.own
    cleo.call.side.resume_secret = "A" * 43
    meeting.stage.proxy.cut()
    await cleo.until(
        lambda: cleo.call.side.own not in (own, None) and cleo.call.phase is GroupPhase.ACTIVE
    )
    await ann.heard(Went, lambda event: event.participant.participant == own)
    await ann.heard(Published, lambda event: event.participant.participant == cleo.call.side.own)
    await meeting.all_perceive()


async def test_a_node_that_dies_takes_no_call_along(meeting: Meeting) -> None:
    """kill -9 of the SFU: everybody comes back by themselves, on the node that takes its place."""
    ann, cleo = await asyncio.gather(meeting.join("Ann"), meeting.join("Cleo"))
    await meeting.all_perceive()
    stays = {ann.call.side.own, cleo.call.side.own}
    os.kill(meeting.stage.sfu_process(), signal.SIGKILL)
    for each in (ann, cleo):
        await each.until(
            lambda each=each: (  # type: ignore[misc]
                each.call.side.own not in stays and each.call.phase is GroupPhase.ACTIVE
            ),
            REPLACED_S_MAX,
        )
    await meeting.all_perceive()


async def test_the_end_for_everybody_and_for_one(meeting: Meeting) -> None:
    ann, bob = await asyncio.gather(meeting.join("Ann"), meeting.join("Bob"))
    clients = meeting.stage.clients
    await clients["Ann"].remove_from_group_call(meeting.link.call, clients["Bob"].account)
    async with asyncio.timeout(DEADLINE_S):
        assert await bob.call.ended() == "removed"
    went = await ann.heard(Went)
    assert went.reason is LeaveReason.REMOVED
    with pytest.raises(Refused):
        await meeting.join("Bob")
    await clients["Ann"].end_group_call(meeting.link.call)
    async with asyncio.timeout(DEADLINE_S):
        assert await ann.call.ended() == "call-ended"
    with pytest.raises(Refused):
        await meeting.join("Cleo")


async def test_a_wrong_link_opens_nothing(meeting: Meeting) -> None:
    server = meeting.stage.status.url
    stranger = read_link(GroupLink(meeting.link.call, "x" * 43).text(server))
    for link in (stranger, GroupLink(meeting.link.call, None)):
        peer = GroupPeer(None, host_addresses=HOSTS)
        with pytest.raises(Refused):
            await meeting.stage.clients["Bob"].join_group_call(link, peer)


async def test_a_listener_hears_and_the_node_forgets(meeting: Meeting) -> None:
    """One who sends nothing still receives; when all have left, nothing of them is left."""
    ann = await meeting.join("Ann")
    peer = GroupPeer(None, host_addresses=HOSTS)
    listener = await meeting.stage.clients["Bob"].join_group_call(meeting.link, peer, name="Bob")
    bob = Member("Bob", listener, peer)
    meeting.members.append(bob)
    await bob.until(lambda: bob.perceives("Ann"))
    for member in (ann, bob):
        await member.leave()
    async with asyncio.timeout(DEADLINE_S):
        while await _participants(meeting.stage.status):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.1)


async def _participants(status: Status) -> float:
    return (await metrics(status.admin_urls["sfu"]))["ringline_sfu_participants"]
