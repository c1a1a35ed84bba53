"""Call events over the socket: who may say what, and that the devices hear of it."""

import asyncio
from uuid import UUID

import msgspec
import pytest
from uuid_utils.compat import uuid7

from ringline.protocol import frames, resources
from ringline.protocol.codec import Codec
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import CallKind, CallState
from tests.integration.gateway.stage import Node, Person, Wire


def invite(call: UUID, callee: Person, ref: int = 4) -> frames.Call:
    body = frames.CallDeviceBody(callee.address.device, callee.registration_id, b"offer")
    return frames.Call(
        ref=ref, call=call, kind=CallKind.INVITE, to=callee.address.account, bodies=[body]
    )


async def event(wire: Wire) -> frames.CallEvent:
    async with asyncio.timeout(5):
        while True:
            entry = (await wire.expect(frames.Deliver)).entry
            if isinstance(entry, frames.CallEvent):
                return entry


async def test_a_call_is_rung_accepted_and_ended(
    node: Node, ann: Person, bob: Person, chosen: Codec
) -> None:
    await node.befriend(ann, bob)
    one, other = await node.connect(ann, chosen), await node.connect(bob, chosen)
    call = uuid7()
    await one.send(invite(call, bob))
    status = await one.expect(frames.CallStatus)
    assert (status.ref, status.state) == (4, CallState.RINGING)
    rung = await event(other)
    assert (rung.kind, rung.sender, rung.body) == (CallKind.INVITE, ann.address, b"offer")
    answer = frames.CallDeviceBody(ann.address.device, ann.registration_id, b"answer")
    accept = frames.Call(ref=5, call=call, kind=CallKind.ACCEPT, bodies=[answer])
    await other.send(accept)
    assert (await other.expect(frames.CallStatus)).state is CallState.ACCEPTED
    accepted = await event(one)
    assert (accepted.kind, accepted.body) == (CallKind.ACCEPT, b"answer")
    await one.send(frames.Call(ref=6, call=call, kind=CallKind.HANG_UP))
    assert (await one.expect(frames.CallStatus)).state is CallState.ENDED
    assert (await event(other)).kind is CallKind.HANG_UP
    record = await node.request("GET", f"/v1/calls/{call}", token=bob.token)
    assert record.read_as(resources.CallRecord, 200).reason is CallKind.HANG_UP


async def test_a_stranger_does_not_ring(node: Node, ann: Person, bob: Person) -> None:
    one = await node.connect(ann)
    await one.send(invite(uuid7(), bob))
    error = await one.expect(frames.Error)
    assert (error.ref, error.problem.type) == (4, ProblemType.NOT_ACCEPTED.uri)


@pytest.mark.parametrize(
    "kind",
    [CallKind.ACCEPT, CallKind.HANG_UP, CallKind.CANCEL, CallKind.DECLINE, CallKind.RINGING],
)
async def test_k3_a_non_participant_changes_nothing(
    node: Node, ann: Person, bob: Person, kind: CallKind
) -> None:
    await node.befriend(ann, bob)
    eve = await node.register("+447911100003")
    one, other, third = [await node.connect(person) for person in (ann, bob, eve)]
    call = uuid7()
    await one.send(invite(call, bob))
    await one.expect(frames.CallStatus)
    await event(other)
    await third.send(frames.Call(ref=7, call=call, kind=kind))
    refused = await third.expect(frames.Error)
    await third.send(frames.Call(ref=8, call=uuid7(), kind=kind))
    nothing = await third.expect(frames.Error)
    assert refused.problem == nothing.problem
    assert refused.problem.status in {403, 404}
    path = f"/v1/calls/{call}"
    assert (await node.request("GET", path, token=eve.token)).problem() == "not-found"
    record = await node.request("GET", path, token=ann.token)
    assert record.read_as(resources.CallRecord, 200).state is CallState.RINGING


async def test_k3_a_forged_sender_is_no_field(node: Node, ann: Person, bob: Person) -> None:
    await node.befriend(ann, bob)
    one = await node.connect(ann)
    packed = {"type": "call", "ref": 9, "call": uuid7().bytes, "kind": "invite"}
    forged = one.codec.encode({**packed, "sender": {"account": bob.address.account.bytes}})
    await one.send_raw(forged)
    error = await one.expect(frames.Error)
    assert (error.ref, error.problem.type) == (9, ProblemType.INVALID.uri)


async def test_k6_the_others_stop_when_one_accepts(node: Node, ann: Person, bob: Person) -> None:
    await node.befriend(ann, bob)
    tablet = await node.link(bob)
    one, phone, second = [await node.connect(person) for person in (ann, bob, tablet)]
    call = uuid7()
    bodies = [
        frames.CallDeviceBody(each.address.device, each.registration_id, b"offer")
        for each in (bob, tablet)
    ]
    await one.send(
        frames.Call(ref=1, call=call, kind=CallKind.INVITE, to=bob.address.account, bodies=bodies)
    )
    await event(phone)
    await event(second)
    answer = frames.CallDeviceBody(ann.address.device, ann.registration_id, b"answer")
    accept = frames.Call(ref=2, call=call, kind=CallKind.ACCEPT, bodies=[answer])
    await asyncio.gather(phone.send(accept), second.send(accept))
    outcomes = []
    for wire in (phone, second):
        async with asyncio.timeout(1):
            while True:
                frame = await wire.receive()
                if isinstance(frame, frames.CallStatus | frames.Error):
                    outcomes.append(frame)
                    break
    won = [f for f in outcomes if isinstance(f, frames.CallStatus) and f.reason is None]
    assert len(won) == 1
    record = await node.request("GET", f"/v1/calls/{call}", token=ann.token)
    assert record.read_as(resources.CallRecord, 200).accepted_by in {1, 2}


async def test_an_unanswered_call_is_ended_by_the_gateway(
    node: Node, ann: Person, bob: Person
) -> None:
    await node.befriend(ann, bob)
    one = await node.connect(ann)
    ring = invite(uuid7(), bob)
    await one.send(msgspec.structs.replace(ring, lifetime_ms=1000))
    await one.expect(frames.CallStatus)
    assert (await event(one)).kind is CallKind.TIME_OUT
    other = await node.connect(bob)
    while (told := await event(other)).kind is CallKind.INVITE:
        pass
    assert told.kind is CallKind.MISSED
