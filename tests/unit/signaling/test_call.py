"""The call machine, event by event: what each changes, tells and answers."""

from uuid import UUID

import pytest

from ringline.protocol import limits
from ringline.protocol.frames import CallDeviceBody, CallStatus
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.types import Address, CallKind, CallState
from signaling import call as machine
from signaling.call import Invite, Notice, Outcome, PairDocument

ANNA, BERT = UUID(int=1), UUID(int=2)
A1, A2 = Address(ANNA, 1), Address(ANNA, 2)
B1, B2 = Address(BERT, 1), Address(BERT, 2)
LOW, HIGH = UUID(int=100), UUID(int=200)
NOW = 1_800_000_000_000
RING_MS = 45_000
ANSWER = b"answer"


def wish(call: UUID, callee: UUID = BERT) -> Invite:
    bodies = tuple(
        CallDeviceBody(device=number, registration_id=7, body=b"offer %d" % number)
        for number in (1, 2)
    )
    return Invite(call=call, callee=callee, lifetime_ms=RING_MS, bodies=bodies)


def ringing(call: UUID = LOW) -> PairDocument:
    """Anna's first device calls, and the invites are in their queues."""
    return settled(machine.invite(PairDocument(), A1, wish(call), NOW))


def settled(outcome: Outcome) -> PairDocument:
    assert outcome.document is not None
    return machine.settle(outcome.document, outcome.document.outbox)


def accepted() -> PairDocument:
    return settled(machine.event(ringing(), B1, LOW, CallKind.ACCEPT, ANSWER, NOW + 1))


def say(document: PairDocument, sender: Address, kind: CallKind, call: UUID = LOW) -> Outcome:
    body = ANSWER if kind is CallKind.ACCEPT else b""
    return machine.event(document, sender, call, kind, body, NOW + 2)


def told(outcome: Outcome) -> list[tuple[Address | UUID, CallKind]]:
    """To whom and what; an account's name for all its devices but, perhaps, one."""
    assert outcome.document is not None
    return [(_to(notice), notice.event.kind) for notice in outcome.document.outbox]


def _to(notice: Notice) -> Address | UUID:
    return Address(notice.account, notice.device) if notice.device else notice.account


def status(outcome: Outcome) -> CallStatus:
    assert isinstance(outcome.answer, CallStatus), outcome.answer
    return outcome.answer


def problem(outcome: Outcome) -> str:
    assert isinstance(outcome.answer, Problem)
    assert outcome.document is None, "what is refused changes nothing"
    return outcome.answer.type


def test_invite_rings_each_device_with_its_own_offer_and_lifetime() -> None:
    outcome = machine.invite(PairDocument(), A1, wish(LOW), NOW)
    assert status(outcome) == CallStatus(ref=0, call=LOW, state=CallState.RINGING, reason=None)
    assert told(outcome) == [(B1, CallKind.INVITE), (B2, CallKind.INVITE)]
    assert outcome.document is not None
    events = [notice.event for notice in outcome.document.outbox]
    assert [event.body for event in events] == [b"offer 1", b"offer 2"]
    assert {event.expires_at for event in events} == {NOW + RING_MS}
    assert {event.sender for event in events} == {A1}


def test_document_travels_whole() -> None:
    outcome = machine.invite(PairDocument(), A1, wish(LOW), NOW)
    assert outcome.document is not None
    assert machine.decode(machine.encode(outcome.document)) == outcome.document
    assert machine.decode(b"") == PairDocument()


def test_ringing_is_told_once() -> None:
    first = say(ringing(), B1, CallKind.RINGING)
    assert told(first) == [(A1, CallKind.RINGING)]
    again = say(settled(first), B2, CallKind.RINGING)
    assert again.document is None
    assert status(again).state is CallState.RINGING


def test_accept_binds_the_device_and_tells_the_others() -> None:
    outcome = say(ringing(), B1, CallKind.ACCEPT)
    assert told(outcome) == [(A1, CallKind.ACCEPT), (BERT, CallKind.TAKEN_ELSEWHERE)]
    assert outcome.document is not None
    answer, taken = outcome.document.outbox
    assert answer.event.body == ANSWER
    assert (taken.except_device, taken.event.outcome) == (B1.device, CallKind.ACCEPT)
    [call] = outcome.changed
    assert (call.state, call.accepting, call.accepted_at) == (CallState.ACCEPTED, B1, NOW + 2)


def test_second_accept_is_refused_and_a_repeat_is_not() -> None:
    document = accepted()
    assert problem(say(document, B2, CallKind.ACCEPT)) == ProblemType.CALL_STATE.uri
    again = say(document, B1, CallKind.ACCEPT)
    assert again.document is None
    assert status(again).state is CallState.ACCEPTED


def test_accept_without_an_answer() -> None:
    outcome = machine.event(ringing(), B1, LOW, CallKind.ACCEPT, b"", NOW)
    assert problem(outcome) == ProblemType.INVALID.uri


@pytest.mark.parametrize("kind", [CallKind.DECLINE, CallKind.BUSY])
def test_one_device_speaks_for_all(kind: CallKind) -> None:
    outcome = say(ringing(), B1, kind)
    assert told(outcome) == [(A1, kind), (BERT, CallKind.TAKEN_ELSEWHERE)]
    assert (status(outcome).state, status(outcome).reason) == (CallState.ENDED, kind)
    late = say(settled(outcome), B2, CallKind.ACCEPT)
    assert (late.document, status(late).reason) == (None, kind)


@pytest.mark.parametrize("kind", [CallKind.CANCEL, CallKind.HANG_UP])
def test_caller_gives_up_while_it_rings(kind: CallKind) -> None:
    outcome = say(ringing(), A1, kind)
    assert told(outcome) == [(BERT, CallKind.CANCEL), (BERT, CallKind.MISSED)]
    assert status(outcome).reason is CallKind.CANCEL
    assert outcome.document is not None
    lifetimes = [notice.lifetime_ms for notice in outcome.document.outbox]
    assert lifetimes == [machine.NOTICE_LIFETIME_MS, limits.MESSAGE_RETENTION_S * 1000]


@pytest.mark.parametrize(
    ("sender", "kind", "other"),
    [
        (A1, CallKind.HANG_UP, B1),
        (A1, CallKind.CANCEL, B1),
        (B1, CallKind.HANG_UP, A1),
    ],
)
def test_either_connected_device_hangs_up(sender: Address, kind: CallKind, other: Address) -> None:
    outcome = say(accepted(), sender, kind)
    assert told(outcome) == [(other, CallKind.HANG_UP)]
    assert status(outcome).reason is CallKind.HANG_UP
    assert say(settled(outcome), sender, kind).document is None


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        (A2, CallKind.CANCEL),
        (A2, CallKind.HANG_UP),
        (A1, CallKind.ACCEPT),
        (A1, CallKind.RINGING),
        (A1, CallKind.DECLINE),
        (B1, CallKind.CANCEL),
        (B1, CallKind.HANG_UP),
    ],
)
def test_what_nobody_may_say_while_it_rings(sender: Address, kind: CallKind) -> None:
    assert problem(say(ringing(), sender, kind)) == ProblemType.CALL_STATE.uri


@pytest.mark.parametrize("kind", [CallKind.HANG_UP, CallKind.DECLINE, CallKind.BUSY])
def test_only_the_bound_device_ends_what_it_took(kind: CallKind) -> None:
    assert problem(say(accepted(), B2, kind)) == ProblemType.CALL_STATE.uri


def test_unknown_call() -> None:
    assert problem(say(ringing(), B1, CallKind.ACCEPT, HIGH)) == ProblemType.NOT_FOUND.uri


def test_nobody_answers() -> None:
    document = ringing()
    assert machine.deadline(document, NOW) == NOW + RING_MS
    assert machine.expire(document, NOW + RING_MS - 1).document is None
    outcome = machine.expire(document, NOW + RING_MS)
    assert told(outcome) == [(A1, CallKind.TIME_OUT), (BERT, CallKind.MISSED)]
    assert machine.deadline(settled(outcome), NOW + RING_MS) is None


def test_call_that_nobody_hangs_up_ends_by_itself() -> None:
    outcome = machine.expire(accepted(), NOW + 1 + machine.CALL_LIFETIME_MS)
    assert told(outcome) == [(A1, CallKind.TIME_OUT), (B1, CallKind.TIME_OUT)]


def test_what_is_not_in_its_queue_yet_is_due_soon() -> None:
    outcome = machine.invite(PairDocument(), A1, wish(LOW), NOW)
    assert outcome.document is not None
    assert machine.deadline(outcome.document, NOW) == NOW + machine.OUTBOX_RETRY_MS
    half = machine.settle(outcome.document, outcome.document.outbox[:1])
    assert [_to(notice) for notice in half.outbox] == [B2]


def test_glare_later_invite_loses() -> None:
    outcome = machine.invite(ringing(LOW), B1, wish(HIGH, ANNA), NOW + 1)
    assert status(outcome).lost_to == LOW
    assert told(outcome) == [(BERT, CallKind.TAKEN_ELSEWHERE)]
    winner, lost = outcome.changed
    assert (winner.call, winner.state, winner.accepting) == (LOW, CallState.ACCEPTED, B1)
    assert (lost.call, lost.state, lost.lost_to) == (HIGH, CallState.ENDED, LOW)
    answered = say(settled(outcome), B1, CallKind.ACCEPT)
    assert told(answered) == [(A1, CallKind.ACCEPT)]
    assert say(settled(answered), B1, CallKind.ACCEPT).document is None


def test_glare_earlier_invite_loses() -> None:
    outcome = machine.invite(ringing(HIGH), B1, wish(LOW, ANNA), NOW + 1)
    assert (status(outcome).call, status(outcome).state) == (LOW, CallState.ACCEPTED)
    assert told(outcome) == [
        (A1, CallKind.INVITE),
        (B1, CallKind.CANCEL),
        (BERT, CallKind.TAKEN_ELSEWHERE),
    ]
    assert outcome.document is not None
    marked, cancelled, _ = (notice.event for notice in outcome.document.outbox)
    assert (marked.call, marked.glare, marked.body) == (LOW, True, b"offer 1")
    assert cancelled.call == HIGH, "it rang on the winner's device too"
    repeated = machine.invite(settled(outcome), A1, wish(HIGH), NOW + 2)
    assert (repeated.document, status(repeated).lost_to) == (None, LOW)


def test_glare_that_is_not_answered_ends() -> None:
    document = settled(machine.invite(ringing(LOW), B1, wish(HIGH, ANNA), NOW))
    assert machine.deadline(document, NOW) == NOW + machine.ANSWER_TIMEOUT_MS
    outcome = machine.expire(document, NOW + machine.ANSWER_TIMEOUT_MS)
    assert told(outcome) == [(A1, CallKind.TIME_OUT), (B1, CallKind.TIME_OUT)]


def test_new_invite_of_the_calling_device_ends_its_old_call() -> None:
    outcome = machine.invite(ringing(LOW), A1, wish(HIGH), NOW + 1)
    assert [kind for _, kind in told(outcome)] == [
        CallKind.CANCEL,
        CallKind.MISSED,
        CallKind.INVITE,
        CallKind.INVITE,
    ]
    assert {call.call: call.state for call in outcome.changed} == {
        LOW: CallState.ENDED,
        HIGH: CallState.RINGING,
    }


@pytest.mark.parametrize(("caller", "other"), [(A1, B1), (B1, A1)])
def test_new_invite_of_a_connected_device_hangs_up_first(caller: Address, other: Address) -> None:
    callee = BERT if caller.account == ANNA else ANNA
    outcome = machine.invite(accepted(), caller, wish(HIGH, callee), NOW + 3)
    assert told(outcome)[0] == (other, CallKind.HANG_UP)
    assert status(outcome).state is CallState.RINGING


def test_another_device_of_the_account_waits() -> None:
    outcome = machine.invite(ringing(LOW), A2, wish(HIGH), NOW + 1)
    assert problem(outcome) == ProblemType.CALL_STATE.uri


def test_id_of_another_device() -> None:
    assert problem(machine.invite(ringing(LOW), A2, wish(LOW), NOW)) == ProblemType.ID_REUSED.uri


def test_few_ended_calls_are_remembered() -> None:
    document = PairDocument()
    for number in range(1, machine.ENDED_CALLS_MAX + 5):
        document = settled(machine.invite(document, A1, wish(UUID(int=number)), NOW + number))
    remembered = [call.call.int for call in document.calls]
    newest = machine.ENDED_CALLS_MAX + 4
    assert remembered == list(range(newest - machine.ENDED_CALLS_MAX, newest + 1))
