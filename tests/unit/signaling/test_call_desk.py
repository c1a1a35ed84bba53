"""The call desk on the memory twins: who may do what, what reaches which queue, what a crash leaves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest

from backplane.errors import Unavailable
from backplane.registry.open import memory_registry
from backplane.registry.ports import RelayDeadlineRegistry
from backplane.storage.device_queues import Append, FetchRequest, QueueDevice, Removal
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.storage.group_calls import GroupCallRecord
from backplane.storage.records_memory import MemoryRecords
from messaging.contact import Contacts
from messaging.errors import Refused
from ringline.protocol import frames
from ringline.protocol.codec import decode_entry
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, CallKind, CallState, ContactState
from signaling import call as machine
from signaling.call_desk import CallDesk

ANNA, BERT, CARL = UUID(int=1), UUID(int=2), UUID(int=3)
A1, A2 = Address(ANNA, 1), Address(ANNA, 2)
B = [Address(BERT, number) for number in (1, 2, 3, 4)]
C1 = Address(CARL, 1)
LOW, HIGH = UUID(int=100), UUID(int=200)


class CrashingQueues(MemoryDeviceQueues):
    """Can be told to lose the next change."""

    def __init__(self) -> None:
        super().__init__()
        self.crash = False

    async def change(
        self, removals: Sequence[Removal], appends: Sequence[Append]
    ) -> tuple[Address, ...]:
        if self.crash:
            raise Unavailable("gone")
        return await super().change(removals, appends)


@dataclass
class Office:
    desk: CallDesk
    queues: CrashingQueues
    records: MemoryRecords
    deadlines: RelayDeadlineRegistry
    now: int = 1_800_000_000_000

    async def told(self, device: Address) -> list[frames.CallEvent]:
        (entries,) = await self.queues.fetch([FetchRequest(device, 0, 100)], self.now)
        decoded = [decode_entry(entry.payload) for entry in entries]
        return [event for event in decoded if isinstance(event, frames.CallEvent)]

    async def kinds(self, device: Address) -> list[CallKind]:
        return [event.kind for event in await self.told(device)]


@pytest.fixture
async def office() -> Office:
    records, queues = MemoryRecords(), CrashingQueues()
    holder: list[Office] = []

    def clock() -> int:
        return holder[0].now

    registry = memory_registry(clock)
    desk = CallDesk(
        records=records,
        queues=queues,
        contacts=Contacts(records=records, queues=queues, clock=clock),
        limits=registry.limits,
        relay_deadlines=registry.relay_deadlines,
        calls_per_caller_minute=50,
        calls_per_pair_minute=20,
        clock=clock,
        notify=lambda _: None,
    )
    holder.append(Office(desk, queues, records, registry.relay_deadlines))
    for address in (A1, A2, *B, C1):
        await queues.open(address.account, QueueDevice(address.device, 7), 0)
    for owner, peer in ((ANNA, BERT), (BERT, ANNA)):
        await records.raise_contact(owner, peer, ContactState.ACCEPTED, 0)
    return holder[0]


def invite(call: UUID, to: UUID = BERT, devices: int = 4, lifetime_ms: int = 45_000) -> frames.Call:
    bodies = [
        frames.CallDeviceBody(device=number, registration_id=7, body=b"offer %d" % number)
        for number in range(1, devices + 1)
    ]
    return frames.Call(
        call=call, kind=CallKind.INVITE, to=to, lifetime_ms=lifetime_ms, bodies=bodies
    )


def accept(call: UUID, device: int = 1) -> frames.Call:
    body = frames.CallDeviceBody(device=device, registration_id=0, body=b"answer")
    return frames.Call(call=call, kind=CallKind.ACCEPT, bodies=[body])


async def refusal(office: Office, sender: Address, frame: frames.Call) -> ProblemType:
    with pytest.raises(Refused) as refused:
        await office.desk.event(sender, frame)
    return next(kind for kind in ProblemType if kind.uri == refused.value.problem.type)


async def test_rings_on_every_device_with_its_own_offer(office: Office) -> None:
    status = await office.desk.event(A1, invite(LOW))
    assert status.state is CallState.RINGING
    for device in B:
        [event] = await office.told(device)
        assert (event.kind, event.body) == (CallKind.INVITE, b"offer %d" % device.device)
    assert not await office.told(A2)


async def test_k6_first_accept_wins_and_the_others_are_told(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    answers = await asyncio.gather(
        *(office.desk.event(device, accept(LOW)) for device in B), return_exceptions=True
    )
    won = [a for a in answers if isinstance(a, frames.CallStatus)]
    lost = [a for a in answers if isinstance(a, Refused)]
    assert (len(won), len(lost)) == (1, 3)
    assert await office.kinds(A1) == [CallKind.ACCEPT]
    taken = [CallKind.TAKEN_ELSEWHERE in await office.kinds(device) for device in B]
    assert sum(taken) == 3
    assert not taken[answers.index(won[0])]


async def test_glare_when_the_later_invite_loses(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    status = await office.desk.event(B[1], invite(HIGH, to=ANNA, devices=2))
    assert (status.state, status.lost_to) == (CallState.ENDED, LOW)
    assert not await office.told(A2), "the loser's invite rings nowhere"
    await office.desk.event(B[1], accept(LOW))
    [answer] = await office.told(A1)
    assert (answer.kind, answer.call, answer.sender) == (CallKind.ACCEPT, LOW, B[1])
    assert await office.kinds(B[0]) == [CallKind.INVITE, CallKind.TAKEN_ELSEWHERE]


async def test_glare_when_the_earlier_invite_loses(office: Office) -> None:
    await office.desk.event(A1, invite(HIGH))
    status = await office.desk.event(B[1], invite(LOW, to=ANNA, devices=2))
    assert (status.call, status.state) == (LOW, CallState.ACCEPTED)
    [event] = await office.told(A1)
    assert (event.kind, event.call, event.glare) == (CallKind.INVITE, LOW, True)
    assert event.body == b"offer 1"
    await office.desk.event(A1, accept(LOW, device=2))
    assert CallKind.ACCEPT in await office.kinds(B[1])
    assert await refusal(office, A2, accept(LOW, device=2)) is ProblemType.CALL_STATE


async def test_unanswered_glare_ends_by_itself(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    await office.desk.event(B[0], invite(HIGH, to=ANNA, devices=2))
    office.now += 31_000
    await office.desk.expire_due()
    record = await office.desk.record(A1, LOW)
    assert (record.state, record.reason) == (CallState.ENDED, CallKind.TIME_OUT)


@pytest.mark.parametrize("kind", [CallKind.DECLINE, CallKind.BUSY])
async def test_declined_or_busy_on_one_device_ends_it_on_all(
    office: Office, kind: CallKind
) -> None:
    await office.desk.event(A1, invite(LOW))
    status = await office.desk.event(B[0], frames.Call(call=LOW, kind=kind))
    assert (status.state, status.reason) == (CallState.ENDED, kind)
    assert await office.kinds(A1) == [kind]
    last = (await office.told(B[1]))[-1]
    assert (last.kind, last.outcome) == (CallKind.TAKEN_ELSEWHERE, kind)


async def test_cancelled_call_is_missed_on_every_device_for_thirty_days(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    await office.desk.event(A1, frames.Call(call=LOW, kind=CallKind.CANCEL))
    assert await office.kinds(B[2]) == [CallKind.INVITE, CallKind.CANCEL, CallKind.MISSED]
    office.now += 29 * 24 * 3600 * 1000
    assert await office.kinds(B[2]) == [CallKind.MISSED]


async def test_time_out_tells_both_sides(office: Office) -> None:
    await office.desk.event(A1, invite(LOW, lifetime_ms=2_000))
    assert await office.desk.expire_due() == 0
    office.now += 2_001
    assert await office.desk.expire_due() == 1
    assert await office.kinds(A1) == [CallKind.TIME_OUT]
    assert (await office.kinds(B[0]))[-1] is CallKind.MISSED
    assert await office.desk.expire_due() == 0


async def test_hang_up_by_either_ends_it_for_the_other(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    await office.desk.event(B[0], frames.Call(call=LOW, kind=CallKind.RINGING))
    await office.desk.event(B[0], accept(LOW))
    hang_up = frames.Call(call=LOW, kind=CallKind.HANG_UP)
    assert await refusal(office, B[1], hang_up) is ProblemType.CALL_STATE
    await office.desk.event(B[0], hang_up)
    expected = [CallKind.RINGING, CallKind.ACCEPT, CallKind.HANG_UP]
    assert await office.kinds(A1) == expected
    again = await office.desk.event(A1, hang_up)
    assert again.state is CallState.ENDED


async def test_k3_strangers_find_nothing(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    unknown = await refusal(office, C1, accept(UUID(int=5)))
    for kind in (CallKind.ACCEPT, CallKind.HANG_UP, CallKind.DECLINE, CallKind.CANCEL):
        frame = accept(LOW) if kind is CallKind.ACCEPT else frames.Call(call=LOW, kind=kind)
        assert await refusal(office, C1, frame) is unknown is ProblemType.NOT_FOUND
    with pytest.raises(Refused):
        await office.desk.record(C1, LOW)
    assert (await office.desk.record(B[0], LOW)).state is CallState.RINGING


async def test_only_accepted_contacts_ring(office: Office) -> None:
    assert await refusal(office, C1, invite(LOW)) is ProblemType.NOT_ACCEPTED
    assert not await office.told(B[0])


async def test_device_list_must_be_exact(office: Office) -> None:
    assert await refusal(office, A1, invite(LOW, devices=3)) is ProblemType.DEVICES_DIFFER


async def test_ids_of_other_pairs_stay_theirs(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    await office.records.raise_contact(CARL, ANNA, ContactState.ACCEPTED, 0)
    assert await refusal(office, A1, invite(LOW, to=CARL, devices=1)) is ProblemType.ID_REUSED


async def test_ringing_is_limited(office: Office) -> None:
    for number in range(20):
        await office.desk.event(A1, invite(UUID(int=1000 + number)))
    assert await refusal(office, A1, invite(UUID(int=2000))) is ProblemType.RATE_LIMITED


async def test_server_kinds_are_the_servers(office: Office) -> None:
    await office.desk.event(A1, invite(LOW))
    for kind in (CallKind.MISSED, CallKind.TIME_OUT, CallKind.TAKEN_ELSEWHERE):
        found = await refusal(office, A1, frames.Call(call=LOW, kind=kind))
        assert found is ProblemType.INVALID


async def test_crash_after_the_decision_is_made_good(office: Office) -> None:
    office.queues.crash = True
    with pytest.raises(Unavailable):
        await office.desk.event(A1, invite(LOW))
    office.queues.crash = False
    assert not await office.told(B[0])
    office.now += 2_001
    assert await office.desk.expire_due() == 1
    assert await office.kinds(B[0]) == [CallKind.INVITE]
    assert (await office.desk.event(A1, invite(LOW))).state is CallState.RINGING
    assert await office.kinds(B[0]) == [CallKind.INVITE], "the repeat rings once"


async def test_late_invite_that_ended_long_ago_does_not_ring(office: Office) -> None:
    for number in range(12):
        await office.desk.event(A1, invite(UUID(int=1000 + number)))
    office.now += 50_000
    await office.desk.expire_due()
    status = await office.desk.event(A1, invite(UUID(int=1000)))
    assert status.state is CallState.ENDED


async def test_repeat_after_a_failure_rings_at_once(office: Office) -> None:
    office.queues.crash = True
    with pytest.raises(Unavailable):
        await office.desk.event(A1, invite(LOW))
    office.queues.crash = False
    assert (await office.desk.event(A1, invite(LOW))).state is CallState.RINGING
    assert await office.kinds(B[0]) == [CallKind.INVITE]


async def test_nothing_is_decided_while_too_much_waits_to_be_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "OUTBOX_NOTICES_MAX", 4)
    office.queues.crash = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await office.desk.event(A1, invite(LOW))
    with pytest.raises(Unavailable):
        await office.desk.event(B[0], accept(LOW))
    assert (await office.desk.record(A1, LOW)).state is CallState.RINGING
    office.queues.crash = False
    assert (await office.desk.event(B[0], accept(LOW))).state is CallState.ACCEPTED
    assert await office.kinds(B[1]) == [CallKind.INVITE, CallKind.TAKEN_ELSEWHERE]


async def test_events_of_calls_that_ended_long_ago(office: Office) -> None:
    for number in range(12):
        await office.desk.event(A1, invite(UUID(int=1000 + number)))
    first = UUID(int=1000)
    late = await office.desk.event(B[0], accept(first))
    assert (late.state, late.reason) == (CallState.ENDED, CallKind.CANCEL)
    assert await refusal(office, A2, invite(first)) is ProblemType.ID_REUSED


async def test_blocked_by_too_many_deciding_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def moved_on(*_: object) -> bool:
        return False

    monkeypatch.setattr(office.records, "commit_call", moved_on)
    with pytest.raises(Unavailable):
        await office.desk.event(A1, invite(LOW))


async def test_k5_glare_in_any_order_gives_one_call(office: Office) -> None:
    for number in range(0, 40, 2):
        calls = [UUID(int=5_000 + number), UUID(int=5_001 + number)]
        left, right = calls if number % 4 else reversed(calls)
        await asyncio.gather(
            office.desk.event(A1, invite(left)),
            office.desk.event(B[0], invite(right, to=ANNA, devices=2)),
        )
        won, lost = [await office.desk.record(A1, call) for call in calls]
        assert (won.state, lost.state) == (CallState.ACCEPTED, CallState.ENDED)
        assert {won.caller, Address(won.callee, won.accepted_by or 0)} == {A1, B[0]}
        await office.desk.event(A1, frames.Call(call=calls[0], kind=CallKind.HANG_UP))
        office.now += 10_000


async def test_relays_learn_when_a_call_is_placed_and_when_it_ends(office: Office) -> None:
    await office.deadlines.put_new(LOW, office.now + 600_000, 10**9)
    await office.desk.event(A1, invite(LOW))
    assert await office.deadlines.get(LOW) is None
    await office.desk.event(B[0], accept(LOW))
    assert await office.deadlines.get(LOW) is None
    await office.desk.event(A1, frames.Call(call=LOW, kind=CallKind.HANG_UP))
    assert await office.deadlines.get(LOW) == office.now


@pytest.mark.parametrize("kind", [CallKind.DECLINE, CallKind.BUSY, CallKind.CANCEL, None])
async def test_every_end_reaches_the_relays(office: Office, kind: CallKind | None) -> None:
    await office.desk.event(A1, invite(LOW))
    if kind is None:
        office.now += 46_000
        await office.desk.expire_due()
    else:
        sender = A1 if kind is CallKind.CANCEL else B[0]
        await office.desk.event(sender, frames.Call(call=LOW, kind=kind))
    assert await office.deadlines.get(LOW) == office.now


async def test_an_end_that_came_before_the_lifting_counts(office: Office) -> None:
    """Two nodes: the cancel is told to the relays before the invite is."""
    lift = office.deadlines.lift

    async def late_lift(call: UUID) -> None:
        office.deadlines.lift = lift  # type: ignore[method-assign]
        await office.desk.event(A1, frames.Call(call=call, kind=CallKind.CANCEL))
        await lift(call)

    office.deadlines.lift = late_lift  # type: ignore[method-assign]
    await office.desk.event(A1, invite(LOW))
    assert await office.deadlines.get(LOW) == office.now


async def test_calls_go_on_while_relays_cannot_be_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(office.deadlines, "lift", away)
    monkeypatch.setattr(office.deadlines, "put", away)
    assert (await office.desk.event(A1, invite(LOW))).state is CallState.RINGING
    status = await office.desk.event(A1, frames.Call(call=LOW, kind=CallKind.CANCEL))
    assert status.state is CallState.ENDED


async def test_a_group_calls_id_rings_nobody(office: Office) -> None:
    record = GroupCallRecord(LOW, CARL, (), "x" * 43, office.now)
    await office.records.group_calls.create(record)
    assert await refusal(office, A1, invite(LOW)) is ProblemType.ID_REUSED
    assert not await office.told(B[0])
