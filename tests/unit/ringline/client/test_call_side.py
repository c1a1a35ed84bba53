import uuid

import pytest

from ringline.client.call_side import (
    TERMINAL,
    Answered,
    CallPhase,
    CallSide,
    Ended,
    EndReason,
    Rang,
)
from ringline.protocol.frames import CallEvent, CallStatus
from ringline.protocol.types import Address, CallKind, CallState

CALL = uuid.UUID(int=7)
ANN, BOB = uuid.UUID(int=1), uuid.UUID(int=2)


def event(kind: CallKind, body: bytes = b"", outcome: CallKind | None = None) -> CallEvent:
    return CallEvent(
        call=CALL,
        kind=kind,
        sender=Address(BOB, 1),
        caller=ANN,
        callee=BOB,
        at=0,
        expires_at=1,
        body=body,
        outcome=outcome,
    )


def status(state: CallState, reason: CallKind | None = None) -> CallStatus:
    return CallStatus(ref=1, call=CALL, state=state, reason=reason)


@pytest.fixture
def caller() -> CallSide:
    side = CallSide(CALL, placed=True)
    side.status(status(CallState.RINGING))
    return side


@pytest.fixture
def callee() -> CallSide:
    return CallSide(CALL, placed=False)


def test_a_call_from_dialling_to_its_end() -> None:
    side = CallSide(CALL, placed=True)
    phases = [side.phase]
    assert side.status(status(CallState.RINGING)) is None
    phases.append(side.phase)
    assert not side.rang
    assert side.event(event(CallKind.RINGING)) == Rang()
    assert side.rang
    assert side.event(event(CallKind.ACCEPT, b"answer")) == Answered(b"answer")
    phases.append(side.phase)
    side.active()
    phases.append(side.phase)
    assert side.event(event(CallKind.HANG_UP)) == Ended(EndReason.OTHER_HUNG_UP)
    phases.append(side.phase)
    assert phases == list(CallPhase)


@pytest.mark.parametrize("kind", [kind for kind in CallKind if kind in TERMINAL])
def test_every_end_ends_once(caller: CallSide, kind: CallKind) -> None:
    assert isinstance(caller.event(event(kind)), Ended)
    reason = caller.reason
    for late in CallKind:
        assert caller.event(event(late, b"x")) is None
    assert caller.reason is reason
    assert not caller.accepting()


def test_an_answer_counts_once(caller: CallSide) -> None:
    assert caller.event(event(CallKind.ACCEPT, b"a")) == Answered(b"a")
    assert caller.event(event(CallKind.ACCEPT, b"b")) is None
    assert caller.event(event(CallKind.RINGING)) is None


def test_an_answer_may_overtake_the_status() -> None:
    side = CallSide(CALL, placed=True)
    assert side.event(event(CallKind.ACCEPT, b"a")) == Answered(b"a")
    assert side.status(status(CallState.RINGING)) is None
    assert side.phase is CallPhase.CONNECTING


def test_events_of_another_call_are_nothing(callee: CallSide) -> None:
    callee.call = uuid.UUID(int=8)
    assert callee.event(event(CallKind.CANCEL)) is None


def test_a_callee_takes_a_ringing_call_once(callee: CallSide) -> None:
    assert callee.event(event(CallKind.ACCEPT, b"x")) is None
    assert callee.accepting()
    assert not callee.accepting()
    assert callee.status(status(CallState.ACCEPTED)) is None


def test_taken_elsewhere_says_how(callee: CallSide) -> None:
    callee.event(event(CallKind.TAKEN_ELSEWHERE, outcome=CallKind.DECLINE))
    assert callee.reason is EndReason.TAKEN_ELSEWHERE
    assert callee.outcome is CallKind.DECLINE


def test_a_status_may_be_the_end() -> None:
    side = CallSide(CALL, placed=True)
    assert side.status(status(CallState.ENDED, CallKind.BUSY)) == Ended(EndReason.BUSY)
    other = CallSide(CALL, placed=True)
    assert other.status(status(CallState.ENDED)) == Ended(EndReason.REFUSED)


def test_glare_turns_a_caller_into_a_callee(caller: CallSide) -> None:
    caller.becomes(uuid.UUID(int=5))
    assert caller.phase is CallPhase.CONNECTING
    assert not caller.placed
    assert caller.event(event(CallKind.CANCEL)) is None, "the old call is no more"
    assert caller.farewell is CallKind.HANG_UP


def test_a_lost_status_ends_nothing() -> None:
    side = CallSide(CALL, placed=True)
    lost = CallStatus(
        ref=1,
        call=CALL,
        state=CallState.ENDED,
        reason=CallKind.ACCEPT,
        lost_to=uuid.UUID(int=5),
    )
    assert side.status(lost) is None
    assert not side.is_over


def test_the_farewell_fits_the_phase(caller: CallSide, callee: CallSide) -> None:
    farewells = [CallSide(CALL, placed=True).farewell, caller.farewell, callee.farewell]
    assert farewells == [CallKind.CANCEL, CallKind.CANCEL, CallKind.DECLINE]
    callee.accepting()
    caller.event(event(CallKind.ACCEPT, b"a"))
    assert [callee.farewell, caller.farewell] == [CallKind.HANG_UP, CallKind.HANG_UP]


def test_active_only_after_connecting(callee: CallSide) -> None:
    callee.active()
    assert callee.phase is CallPhase.RINGING
