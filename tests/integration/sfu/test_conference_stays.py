"""Coming, going and coming back, on real sockets."""

import asyncio
import base64
import hashlib
import hmac
import json
from uuid import UUID, uuid4

import msgspec
import pytest

from backplane.bus.ports import GroupCallEnded, MemberRemoved
from backplane.errors import Unavailable
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.sfu import (
    Error,
    Join,
    Joined,
    Leave,
    LeaveReason,
    ParticipantJoined,
    ParticipantLeft,
    Ping,
    Pong,
    Resume,
    TrackPublished,
    TrackSource,
)
from ringline.protocol.types import Address
from tests.integration.sfu.callers import Caller
from tests.integration.sfu.conftest import SETTINGS, Stage, StageMaker
from tests.integration.sfu.test_conference_media import Pair, payloads


async def test_people_hear_of_each_other(stage: Stage) -> None:
    call = uuid4()
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        joined = await ann.join(stage.tickets.make(call), "Ann")
        assert (joined.call, joined.participants, joined.resumed) == (call, [], False)
        joined = await ben.join(stage.tickets.make(call), "Ben")
        assert [other.name for other in joined.participants] == ["Ann"]
        assert (await ann.expect(ParticipantJoined)).participant.name == "Ben"
        await ben.send(Leave())
        left = await ann.expect(ParticipantLeft)
        assert (left.participant, left.reason) == (joined.participant, LeaveReason.LEFT)
        assert await ben.closed() == 1000


async def test_a_stay_is_resumed_while_media_goes_on(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        first = ben.joined
        await ben.ws.close()
        await pair.send(1, b"meanwhile")
        await ben.until(lambda: payloads(pair.received) == [b"meanwhile"])
        await ben.connect()
        joined = await ben.resume(first.resume_secret)
        assert joined.resumed
        assert joined.participant == first.participant
        assert joined.resume_secret != first.resume_secret
        names = {other.name: other.tracks for other in joined.participants}
        assert set(names) == {"Ann", "Ben"}
        assert [track.track for track in names["Ann"]] == [pair.track]
        assert not [frame for frame in ann.frames if isinstance(frame, ParticipantLeft)]
        async with Caller(stage.sfu) as thief:
            await thief.send(Resume(ref=3, secret=first.resume_secret))
            assert (await thief.expect(Error)).ref == 3
            assert await thief.closed() == CloseCode.TICKET_REFUSED


async def test_who_does_not_come_back_is_gone(make_stage: StageMaker) -> None:
    settings = msgspec.structs.replace(SETTINGS, resume_timeout_s=0.5)
    async with (
        make_stage(settings) as stage,
        Caller(stage.sfu) as ann,
        Caller(stage.sfu) as ben,
    ):
        call = uuid4()
        await ann.join(stage.tickets.make(call))
        secret = (await ben.join(stage.tickets.make(call))).resume_secret
        await ben.ws.close()
        assert (await ann.expect(ParticipantLeft)).reason is LeaveReason.SILENT
        await ben.connect()
        await ben.send(Resume(ref=3, secret=secret))
        assert await ben.closed() == CloseCode.TICKET_REFUSED


async def test_the_same_device_replaces_its_older_stay(stage: Stage) -> None:
    call, account = uuid4(), uuid4()
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as old, Caller(stage.sfu) as new:
        await ann.join(stage.tickets.make(call))
        await old.join(stage.tickets.make(call, account))
        joined = await new.join(stage.tickets.make(call, account))
        assert await old.closed() == CloseCode.REPLACED
        assert (await ann.expect(ParticipantLeft)).reason is LeaveReason.REPLACED
        assert len(joined.participants) == 1


async def test_a_peer_that_falls_silent_is_gone(make_stage: StageMaker) -> None:
    """S15, with a shorter limit: no checks, no media, the signalling connection still there."""
    settings = msgspec.structs.replace(SETTINGS, consent_timeout_s=2)
    async with (
        make_stage(settings) as stage,
        Caller(stage.sfu) as ann,
        Caller(stage.sfu) as ben,
    ):
        pair = Pair(ann, ben)
        await pair.connect(stage)
        # aioice checks every 5 s: with a limit of 2 s both fall silent.
        codes = {await ann.closed(), await ben.closed()}
        assert codes == {CloseCode.MEDIA_LOST}
        assert stage.count("sfu_stays", event="ended silent") == 2
        assert stage.sfu.describe().load == 0


async def test_removed_accounts_and_ended_calls(stage: Stage) -> None:
    call, account = uuid4(), uuid4()
    bus = stage.sfu._bus
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben, Caller(stage.sfu) as again:
        await ann.join(stage.tickets.make(call))
        ticket_before = stage.tickets.make(call, account)
        await ben.join(stage.tickets.make(call, account))
        await bus.tell_all(MemberRemoved(call=call, account=account))
        assert await ben.closed() == CloseCode.REMOVED
        assert (await ann.expect(ParticipantLeft)).reason is LeaveReason.REMOVED
        # K7: what it was given before works no more.
        await again.send(Join(ref=9, ticket=ticket_before))
        assert await again.closed() == CloseCode.TICKET_REFUSED
        await bus.tell_all(GroupCallEnded(call=call))
        assert await ann.closed() == CloseCode.CALL_ENDED


async def test_a_removal_that_the_registry_knows_voids_tickets(stage: Stage) -> None:
    call, account = uuid4(), uuid4()
    ticket = stage.tickets.make(call, account)
    await stage.registry.removals.put(call, account, int(stage.now_s * 1000), 60_000)
    async with Caller(stage.sfu) as ben:
        await ben.send(Join(ref=9, ticket=ticket))
        assert await ben.closed() == CloseCode.TICKET_REFUSED


async def test_a_removal_that_was_missed_is_found(stage: Stage) -> None:
    call, account = uuid4(), uuid4()
    async with Caller(stage.sfu) as ben:
        await ben.join(stage.tickets.make(call, account))
        await stage.registry.removals.put(call, account, int(stage.now_s * 1000), 60_000)
        stage.hub.mend()
        assert await ben.closed() == CloseCode.REMOVED


async def test_an_end_that_was_missed_is_found_once_the_registry_answers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, other = uuid4(), uuid4()
    asked = asyncio.Event()

    async def away(*_: object) -> None:
        asked.set()
        raise Unavailable("away")

    async with Caller(stage.sfu) as ben, Caller(stage.sfu) as cat:
        await ben.join(stage.tickets.make(call))
        await cat.join(stage.tickets.make(other))
        now = int(stage.now_s * 1000)
        await stage.registry.relay_deadlines.put(call, now, 60_000)
        await stage.registry.relay_deadlines.put(other, now + 60_000, 60_000)
        monkeypatch.setattr(stage.registry.relay_deadlines, "get", away)
        stage.hub.mend()
        await asyncio.wait_for(asked.wait(), 10)
        monkeypatch.undo()
        assert await ben.closed() == CloseCode.CALL_ENDED
        await cat.send(Ping(ref=3))
        await cat.expect(Pong)


@pytest.mark.parametrize("told_by", ["registry", "bus"])
async def test_a_ticket_from_before_the_end_of_a_call_is_void(stage: Stage, told_by: str) -> None:
    call = uuid4()
    ticket = stage.tickets.make(call)
    if told_by == "registry":
        await stage.registry.relay_deadlines.put(call, int(stage.now_s * 1000), 60_000)
    else:
        await stage.sfu._bus.tell_all(GroupCallEnded(call=call))
    async with Caller(stage.sfu) as ben:
        await ben.send(Join(ref=9, ticket=ticket))
        assert await ben.closed() == CloseCode.TICKET_REFUSED


async def test_no_registry_no_newcomers_but_media(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("away")

    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben, Caller(stage.sfu) as cat:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        monkeypatch.setattr(stage.registry.removals, "get", away)
        monkeypatch.setattr(stage.registry.placements, "hold", away)
        stage.hub.cut()
        ticket = stage.tickets.make(ann.joined.call)
        await cat.send(Join(ref=9, ticket=ticket))
        assert (await cat.expect(Error)).problem.status == 503
        assert await cat.closed() == CloseCode.TRY_AGAIN_LATER
        await pair.send(1, b"goes on")
        await ben.until(lambda: payloads(pair.received) == [b"goes on"])
        monkeypatch.undo()
        await cat.connect()
        await cat.join(ticket)


def _forged(header: dict[str, str], claims: dict[str, object], key: bytes) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    digest = hmac.digest(key, signed.encode(), hashlib.sha256) if key else b"none"
    return f"{signed}.{part(digest)}"


async def test_no_ticket_but_a_good_one(stage: Stage) -> None:
    """K7: alg=none, HS256 under the public key, another node's, expired, used."""
    call = uuid4()
    now = int(stage.now_s)
    claims: dict[str, object] = {
        "iss": "ringline", "aud": stage.sfu.node, "sub": f"{uuid4()}.1", "call": str(call),
        "jti": "A" * 22, "iat": now, "exp": now + 30,
    }  # fmt: skip
    used = stage.tickets.make(call)
    async with Caller(stage.sfu) as good:
        await good.join(used)
    other = stage.tickets.signer.sign(Address(uuid4(), 1), call, "sfu-00000000", "B" * 22, now)
    old = stage.tickets.signer.sign(Address(uuid4(), 1), call, stage.sfu.node, "C" * 22, now - 30)
    bad = {
        "none": _forged({"alg": "none", "typ": "JWT"}, claims, b""),
        "hs256": _forged({"alg": "HS256", "typ": "JWT"}, claims, stage.public.encode()),
        "other node": other,
        "expired": old,
        "used": used,
    }
    for name, ticket in bad.items():
        async with Caller(stage.sfu) as caller:
            await caller.send(Join(ref=4, ticket=ticket))
            assert (await caller.expect(Error)).ref == 4, name
            assert await caller.closed() == CloseCode.TICKET_REFUSED, name
    assert stage.count("sfu_stays", event="ticket-refused") == 5


async def test_one_ticket_lets_one_of_two_in(stage: Stage) -> None:
    ticket = stage.tickets.make(uuid4())
    async with Caller(stage.sfu) as one, Caller(stage.sfu) as two:
        await asyncio.gather(*(c.send(Join(ref=1, ticket=ticket)) for c in (one, two)))
        await one.until(
            lambda: (
                len([f for c in (one, two) for f in c.frames if isinstance(f, Joined | Error)]) == 2
            )
        )
        kinds = sorted(type(c.frames[0]).__name__ for c in (one, two))
        assert kinds == ["Error", "Joined"]


async def test_a_call_that_another_node_holds_goes_on_there(make_stage: StageMaker) -> None:
    settings = msgspec.structs.replace(SETTINGS, announce_s=0.2)
    async with make_stage(settings) as stage, Caller(stage.sfu) as ann:
        call = uuid4()
        await stage.registry.placements.place(call, "sfu-other", 60_000)
        await ann.join(stage.tickets.make(call))
        assert await ann.closed() == CloseCode.MEDIA_LOST
        assert await stage.registry.placements.place(call, "sfu-third", 1) == "sfu-other"


async def test_the_node_says_that_it_is_there_and_what_it_holds(make_stage: StageMaker) -> None:
    settings = msgspec.structs.replace(SETTINGS, announce_s=0.2, participants_max=4)
    async with make_stage(settings) as stage:
        call = uuid4()
        async with Caller(stage.sfu) as ann:
            await ann.join(stage.tickets.make(call))
            async with asyncio.timeout(10):
                nodes = stage.registry.nodes
                while [n.load for n in await nodes.nodes("sfu")] != [0.25]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            (node,) = await stage.registry.nodes.nodes("sfu")
            host, port = stage.sfu.signalling_address
            assert (node.node, node.address) == (stage.sfu.node, f"http://{host}:{port}")
            assert await stage.registry.placements.place(call, "other", 1) == stage.sfu.node
    assert await stage.registry.nodes.nodes("sfu") == []
    assert await stage.registry.placements.place(call, "other", 1) == "other"


async def test_a_full_node_says_so(make_stage: StageMaker) -> None:
    settings = msgspec.structs.replace(SETTINGS, participants_per_call_max=2, calls_max=1)
    async with make_stage(settings) as stage:
        call = uuid4()
        async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
            await ann.join(stage.tickets.make(call))
            await ben.join(stage.tickets.make(call))
            for other in (call, uuid4()):
                async with Caller(stage.sfu) as cat:
                    await cat.send(Join(ref=1, ticket=stage.tickets.make(other)))
                    problem = (await cat.expect(Error)).problem
                    assert (problem.status, problem.retry_after_s) == (503, 10)
                    assert await cat.closed() == CloseCode.TRY_AGAIN_LATER


async def test_silence_before_joining_and_after(make_stage: StageMaker) -> None:
    settings = msgspec.structs.replace(
        SETTINGS, authentication_timeout_s=0.5, heartbeat_interval_s=1, heartbeat_timeout_s=1
    )
    async with make_stage(settings) as stage, Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        await ben.join(stage.tickets.make(uuid4()))
        assert await ann.closed() == CloseCode.AUTHENTICATION_TIMEOUT
        await asyncio.sleep(2)  # aiohttp answers the pings
        await ben.send(Ping(ref=8))
        assert (await ben.expect(Pong)).ref == 8


async def test_only_this_nodes_path_is_served(stage: Stage) -> None:
    host, port = stage.sfu.signalling_address
    async with Caller(stage.sfu) as ann:
        for path in ("/", "/v1/sfu/", "/v1/sfu/other", f"/v1/sfu/{stage.sfu.node}/x"):
            async with ann._http.get(f"http://{host}:{port}{path}") as response:
                assert response.status == 404
        async with ann._http.get(f"http://{host}:{port}/v1/sfu/{stage.sfu.node}") as response:
            assert response.status == 400


async def test_tracks_of_before_are_in_the_first_state(stage: Stage) -> None:
    call: UUID = uuid4()
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        await ann.join(stage.tickets.make(call))
        await ann.offer(publish={ann.sends("audio"): TrackSource.MICROPHONE})
        joined = await ben.join(stage.tickets.make(call))
        (track,) = joined.participants[0].tracks
        assert track.source is TrackSource.MICROPHONE
        assert not [frame for frame in ben.frames if isinstance(frame, TrackPublished)]
