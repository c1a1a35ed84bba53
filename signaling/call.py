"""The state machine of one-to-one calls, over one document per pair of accounts.

    invite ─► ringing ─┬─ accept ──────────────► accepted ─ hang-up, time-out ─► ended
                       └─ decline, busy, cancel, time-out ─────────────────────► ended

All calls of two accounts with each other stand in one document, so that one compare-and-set decides
every race: the first accept wins, and in glare (both invite each other) the call with the lower id
wins while the other invite becomes an accept of it. What the devices must be told stands in the
document's outbox until it is in their queues. Pure: `now` in, the next document and answer out.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from ringline.protocol import limits
from ringline.protocol.frames import CallDeviceBody, CallEvent, CallStatus
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.types import Address, CallKind, CallState

ENDED_CALLS_MAX = 8
"""Ended calls that a document remembers, to answer repeats."""
OUTBOX_NOTICES_MAX = 256
"""A document that holds as many takes no event before they are in their queues."""
OUTBOX_RETRY_MS = 2_000
"""An outbox older than this was left by a crash."""
ANSWER_TIMEOUT_MS = 30_000
"""After glare, for the bound device to send its answer."""
CALL_LIFETIME_MS = 12 * 3600 * 1000
"""An accepted call that nobody hangs up ends then."""
NOTICE_LIFETIME_MS = 120_000
"""Of what only matters while the call is young or live."""
HISTORY_LIFETIME_MS = limits.MESSAGE_RETENTION_S * 1000


class Notice(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One event for one device, or (0) for all the account's devices but `except_device`."""

    account: UUID
    device: int = 0
    except_device: int = 0
    event: CallEvent
    lifetime_ms: int = NOTICE_LIFETIME_MS

    @property
    def key(self) -> bytes:
        return self.event.call.bytes + self.event.kind.value.encode()


class CallDocument(msgspec.Struct, frozen=True, kw_only=True):
    call: UUID
    caller: Address
    callee: UUID
    state: CallState = CallState.RINGING
    created_at: int
    deadline: int | None
    """When it times out in its present state; None once it has ended."""
    alerted: bool = False
    """The caller has been told that it rings somewhere."""
    accepted_by: int | None = None
    answered: bool = False
    """The accepting device's answer is on its way to the caller."""
    reason: CallKind | None = None
    lost_to: UUID | None = None
    accepted_at: int | None = None
    ended_at: int | None = None

    @property
    def accepting(self) -> Address | None:
        return None if self.accepted_by is None else Address(self.callee, self.accepted_by)

    def status(self, ref: int = 0) -> CallStatus:
        return CallStatus(
            ref=ref, call=self.call, state=self.state, reason=self.reason, lost_to=self.lost_to
        )


class PairDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`calls`: the live one if any and the last ended ones, newest last."""

    version: int = 1
    calls: tuple[CallDocument, ...] = ()
    outbox: tuple[Notice, ...] = ()

    def find(self, call: UUID) -> CallDocument | None:
        return next((known for known in self.calls if known.call == call), None)

    @property
    def live(self) -> CallDocument | None:
        return next((known for known in self.calls if known.state is not CallState.ENDED), None)


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    call: UUID
    callee: UUID
    lifetime_ms: int
    bodies: tuple[CallDeviceBody, ...]


class Outcome(msgspec.Struct, frozen=True):
    """`document` None: nothing changes. `answer` is the sender's."""

    document: PairDocument | None
    changed: tuple[CallDocument, ...]
    answer: CallStatus | Problem


def encode(document: PairDocument) -> bytes:
    return msgspec.msgpack.encode(document)


def decode(data: bytes) -> PairDocument:
    return msgspec.msgpack.decode(data, type=PairDocument) if data else PairDocument()


def invite(document: PairDocument, sender: Address, wish: Invite, now: int) -> Outcome:
    """The caller's first event, or its repeat."""
    known = document.find(wish.call)
    if known is not None:
        if known.caller != sender:
            return Outcome(None, (), ProblemType.ID_REUSED.describe())
        return _unchanged(known)
    live = document.live
    if live is None:
        return _ring(document, sender, wish, now)
    if live.callee == sender.account and live.state is CallState.RINGING:
        return _glare(document, live, sender, wish, now)
    if sender not in (live.caller, live.accepting):
        return _refused("another of the account's devices is in a call with them")
    ended = _end_for_new(document, live, sender, now)
    again = _ring(ended, sender, wish, now)
    over = ended.find(live.call)
    return Outcome(again.document, (*again.changed, *([over] if over else [])), again.answer)


def event(
    document: PairDocument,
    sender: Address,
    call: UUID,
    kind: CallKind,
    body: bytes,
    now: int,
) -> Outcome:
    """Any later event of a member's device. `body` is the answer of an accept, else empty."""
    known = document.find(call)
    if known is None:
        return Outcome(None, (), ProblemType.NOT_FOUND.describe())
    if sender.account == known.callee:
        return _by_callee(document, known, sender, kind, body, now)
    return _by_caller(document, known, sender, kind, now)


def expire(document: PairDocument, now: int) -> Outcome:
    """End the live call if its time is over."""
    live = document.live
    if live is None or live.deadline is None or live.deadline > now:
        return Outcome(None, (), ProblemType.CALL_STATE.describe())
    ended = _ended(live, CallKind.TIME_OUT, now)
    notices = [_to(live.caller, ended, CallKind.TIME_OUT, live.caller, now)]
    if live.accepting is not None:
        notices.append(_to(live.accepting, ended, CallKind.TIME_OUT, live.caller, now))
    else:
        notices.append(_missed(ended, now))
    return _changed(document, ended, notices)


def deadline(document: PairDocument, now: int) -> int | None:
    """When somebody must look at the document again; soon while the outbox is not empty."""
    times = [] if document.live is None else [document.live.deadline]
    if document.outbox:
        times.append(now + OUTBOX_RETRY_MS)
    return min((time for time in times if time is not None), default=None)


def settle(document: PairDocument, sent: Sequence[Notice]) -> PairDocument:
    """These notices are in their queues."""
    done = set(sent)
    return msgspec.structs.replace(
        document, outbox=tuple(notice for notice in document.outbox if notice not in done)
    )


def _by_callee(
    document: PairDocument,
    call: CallDocument,
    sender: Address,
    kind: CallKind,
    body: bytes,
    now: int,
) -> Outcome:
    match kind:
        case CallKind.ACCEPT:
            return _accept(document, call, sender, body, now)
        case CallKind.RINGING if call.state is CallState.RINGING and not call.alerted:
            alerted = msgspec.structs.replace(call, alerted=True)
            notice = _to(call.caller, alerted, CallKind.RINGING, sender, now)
            return _changed(document, alerted, [notice])
        case CallKind.DECLINE | CallKind.BUSY if call.state is CallState.RINGING:
            ended = _ended(call, kind, now)
            notices = [_to(call.caller, ended, kind, sender, now), _taken(ended, sender, kind, now)]
            return _changed(document, ended, notices)
        case CallKind.HANG_UP if sender == call.accepting:
            return _hang_up(document, call, sender, call.caller, now)
    return _late(call, sender, kind)


def _by_caller(
    document: PairDocument, call: CallDocument, sender: Address, kind: CallKind, now: int
) -> Outcome:
    if sender != call.caller:
        return _refused("another device of the account placed this call")
    if call.state is CallState.ENDED:
        return _unchanged(call)
    if kind not in (CallKind.CANCEL, CallKind.HANG_UP):
        return _refused("only the callee's devices say that")
    if call.state is CallState.RINGING:
        ended = _ended(call, CallKind.CANCEL, now)
        cancel = Notice(account=call.callee, event=_event(ended, CallKind.CANCEL, sender, now))
        return _changed(document, ended, [cancel, _missed(ended, now)])
    assert call.accepting is not None, "an accepted call has an accepting device"
    return _hang_up(document, call, sender, call.accepting, now)


def _accept(
    document: PairDocument, call: CallDocument, sender: Address, body: bytes, now: int
) -> Outcome:
    if not body:
        return Outcome(None, (), ProblemType.INVALID.describe("an accept carries one answer"))
    if call.state is CallState.RINGING:
        accepted = msgspec.structs.replace(
            call,
            state=CallState.ACCEPTED,
            accepted_by=sender.device,
            answered=True,
            accepted_at=now,
            deadline=now + CALL_LIFETIME_MS,
        )
        notices = [
            _to(call.caller, accepted, CallKind.ACCEPT, sender, now, body),
            _taken(accepted, sender, CallKind.ACCEPT, now),
        ]
        return _changed(document, accepted, notices)
    if call.state is CallState.ACCEPTED and sender == call.accepting and not call.answered:
        answered = msgspec.structs.replace(call, answered=True, deadline=now + CALL_LIFETIME_MS)
        return _changed(
            document, answered, [_to(call.caller, answered, CallKind.ACCEPT, sender, now, body)]
        )
    return _late(call, sender, CallKind.ACCEPT)


def _hang_up(
    document: PairDocument, call: CallDocument, sender: Address, other: Address, now: int
) -> Outcome:
    if call.state is CallState.ENDED:
        return _unchanged(call)
    ended = _ended(call, CallKind.HANG_UP, now)
    return _changed(document, ended, [_to(other, ended, CallKind.HANG_UP, sender, now)])


def _late(call: CallDocument, sender: Address, kind: CallKind) -> Outcome:
    """A callee's event outside the state it is for: harmless from the device that took the call, and
    from all once it is over; else refused."""
    if kind is CallKind.RINGING or call.state is CallState.ENDED or sender == call.accepting:
        return _unchanged(call)
    if call.state is CallState.RINGING:
        return _refused("it rings: accept, decline or say busy")
    return _refused("another device has taken the call")


def _ring(document: PairDocument, sender: Address, wish: Invite, now: int) -> Outcome:
    call = CallDocument(
        call=wish.call,
        caller=sender,
        callee=wish.callee,
        created_at=now,
        deadline=now + wish.lifetime_ms,
    )
    notices = [
        _to(
            Address(wish.callee, item.device), call, CallKind.INVITE, sender, now, item.body,
            lifetime_ms=wish.lifetime_ms,
        )
        for item in wish.bodies
    ]  # fmt: skip
    return _changed(document, call, notices)


def _glare(
    document: PairDocument, ringing: CallDocument, sender: Address, wish: Invite, now: int
) -> Outcome:
    """Both invite each other: the lower id wins, the other invite is an accept of it."""
    if ringing.call < wish.call:
        return _join(document, ringing, sender, wish, now)
    return _overtake(document, ringing, sender, wish, now)


def _join(
    document: PairDocument, winner: CallDocument, sender: Address, wish: Invite, now: int
) -> Outcome:
    """The later invite lost: its device is bound to the ringing call and will answer it."""
    accepted = _bound(winner, sender, now)
    lost = _lost(wish.call, sender, wish.callee, winner.call, now)
    notices = [_taken(accepted, sender, CallKind.ACCEPT, now)]
    outcome = _changed(document, accepted, notices)
    assert outcome.document is not None, "a change has a document"
    return Outcome(_with(outcome.document, lost), (accepted, lost), lost.status())


def _overtake(
    document: PairDocument, loser: CallDocument, sender: Address, wish: Invite, now: int
) -> Outcome:
    """The earlier invite lost: its device gets the winner's invite, marked, and will answer it. It rang
    on the winner's device too, which has taken nothing elsewhere: there it is as good as cancelled."""
    bound = loser.caller
    winner = _bound(
        CallDocument(
            call=wish.call, caller=sender, callee=wish.callee, created_at=now, deadline=None
        ),
        bound,
        now,
    )
    lost = _lost(loser.call, loser.caller, loser.callee, wish.call, now, loser.created_at)
    body = next((item.body for item in wish.bodies if item.device == bound.device), b"")
    offer = _to(bound, winner, CallKind.INVITE, sender, now, body)
    marked = msgspec.structs.replace(offer.event, glare=True)
    notices = [
        msgspec.structs.replace(offer, event=marked),
        _to(sender, lost, CallKind.CANCEL, bound, now),
        _taken(lost, sender, CallKind.ACCEPT, now),
    ]
    outcome = _changed(_with(document, lost), winner, notices)
    return Outcome(outcome.document, (winner, lost), winner.status())


def _bound(call: CallDocument, device: Address, now: int) -> CallDocument:
    return msgspec.structs.replace(
        call,
        state=CallState.ACCEPTED,
        accepted_by=device.device,
        accepted_at=now,
        deadline=now + ANSWER_TIMEOUT_MS,
    )


def _lost(
    call: UUID, caller: Address, callee: UUID, winner: UUID, now: int, created_at: int | None = None
) -> CallDocument:
    return CallDocument(
        call=call,
        caller=caller,
        callee=callee,
        state=CallState.ENDED,
        created_at=now if created_at is None else created_at,
        deadline=None,
        reason=CallKind.ACCEPT,
        lost_to=winner,
        ended_at=now,
    )


def _end_for_new(
    document: PairDocument, live: CallDocument, sender: Address, now: int
) -> PairDocument:
    """A device of the live call calls anew: it has forgotten the old one."""
    if live.state is CallState.RINGING:
        outcome = _by_caller(document, live, sender, CallKind.CANCEL, now)
    else:
        other = live.accepting if sender == live.caller else live.caller
        assert other is not None, "an accepted call has an accepting device"
        outcome = _hang_up(document, live, sender, other, now)
    assert outcome.document is not None, "a live call can be ended"
    return outcome.document


def _ended(call: CallDocument, reason: CallKind, now: int) -> CallDocument:
    return msgspec.structs.replace(
        call, state=CallState.ENDED, reason=reason, ended_at=now, deadline=None
    )


def _changed(document: PairDocument, call: CallDocument, notices: list[Notice]) -> Outcome:
    document = _with(document, call)
    outbox = (*document.outbox, *(n for n in notices if n not in document.outbox))
    document = msgspec.structs.replace(document, outbox=outbox)
    return Outcome(document, (call,), call.status())


def _with(document: PairDocument, call: CallDocument) -> PairDocument:
    calls = [*(known for known in document.calls if known.call != call.call), call]
    ended = [known for known in calls if known.state is CallState.ENDED][-ENDED_CALLS_MAX:]
    live = [known for known in calls if known.state is not CallState.ENDED]
    return msgspec.structs.replace(document, calls=(*ended, *live))


def _unchanged(call: CallDocument) -> Outcome:
    return Outcome(None, (), call.status())


def _refused(detail: str) -> Outcome:
    return Outcome(None, (), ProblemType.CALL_STATE.describe(detail))


def _event(
    call: CallDocument,
    kind: CallKind,
    sender: Address,
    now: int,
    lifetime_ms: int = NOTICE_LIFETIME_MS,
) -> CallEvent:
    return CallEvent(
        call=call.call,
        kind=kind,
        sender=sender,
        caller=call.caller.account,
        callee=call.callee,
        at=now,
        expires_at=now + lifetime_ms,
    )


def _to(
    device: Address,
    call: CallDocument,
    kind: CallKind,
    sender: Address,
    now: int,
    body: bytes = b"",
    lifetime_ms: int = NOTICE_LIFETIME_MS,
) -> Notice:
    told = msgspec.structs.replace(_event(call, kind, sender, now, lifetime_ms), body=body)
    return Notice(account=device.account, device=device.device, event=told, lifetime_ms=lifetime_ms)


def _taken(call: CallDocument, by: Address, outcome: CallKind, now: int) -> Notice:
    """To every other device of the account that took the call."""
    told = msgspec.structs.replace(_event(call, CallKind.TAKEN_ELSEWHERE, by, now), outcome=outcome)
    return Notice(account=by.account, except_device=by.device, event=told)


def _missed(call: CallDocument, now: int) -> Notice:
    told = _event(call, CallKind.MISSED, call.caller, now, HISTORY_LIFETIME_MS)
    return Notice(account=call.callee, event=told, lifetime_ms=HISTORY_LIFETIME_MS)
