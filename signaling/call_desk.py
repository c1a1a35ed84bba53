"""Calls, applied: load the pair, let the machine decide, compare and set, tell the devices.

What the devices must be told is in the committed document's outbox; it leaves it once it is in their
queues. After a crash in between, `expire_due` finds the document due and sends the outbox again:
its keys make the repeat harmless in the queues, its kinds in the clients.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from msgspec import UNSET

from backplane.errors import Unavailable, WorldError
from backplane.registry.ports import Budget, LimitRegistry, RelayDeadlineRegistry
from backplane.storage.device_queues import Append, DeviceQueues
from backplane.storage.records import CallRow, Records
from messaging.contact import Contacts
from messaging.errors import Refused, rate_limited, refuse
from ringline.protocol import frames, limits, resources
from ringline.protocol.codec import encode_entry
from ringline.protocol.problems import DeviceDifference, Problem, ProblemType
from ringline.protocol.types import Address, CallKind, CallState
from signaling import call as machine
from signaling.call import CallDocument, Notice, Outcome, PairDocument

RELAY_DEADLINE_MS = limits.RELAY_REFRESH_S_MAX * 1000
COMMIT_ATTEMPTS_MAX = 16
DUE_PAIRS_MAX = 100
CLIENT_KINDS = frozenset(
    {
        CallKind.RINGING,
        CallKind.ACCEPT,
        CallKind.DECLINE,
        CallKind.BUSY,
        CallKind.CANCEL,
        CallKind.HANG_UP,
    }
)
_log = structlog.get_logger()
Pair = tuple[UUID, UUID]
Step = Callable[[PairDocument], Outcome]


class CallDesk:
    def __init__(
        self,
        *,
        records: Records,
        queues: DeviceQueues,
        contacts: Contacts,
        limits: LimitRegistry,
        relay_deadlines: RelayDeadlineRegistry,
        calls_per_caller_minute: int,
        calls_per_pair_minute: int,
        clock: Callable[[], int],
        notify: Callable[[Sequence[Address]], None],
    ) -> None:
        self._records = records
        self._queues = queues
        self._contacts = contacts
        self._limits = limits
        self._relay_deadlines = relay_deadlines
        self._calls_per_caller_minute = calls_per_caller_minute
        self._calls_per_pair_minute = calls_per_pair_minute
        self._clock = clock
        self._notify = notify

    async def event(self, sender: Address, frame: frames.Call) -> frames.CallStatus:
        """Raises Refused (invalid, not-found, not-accepted, devices-differ, call-state, id-reused,
        rate-limited) and WorldError."""
        if frame.kind is CallKind.INVITE:
            return await self._invite(sender, frame)
        if frame.kind not in CLIENT_KINDS:
            raise refuse(ProblemType.INVALID, "kind: only the server says that")
        row = await self._member_call(sender, frame.call)
        known = decode_call(row)
        body = _answer_body(frame, known.caller)

        def step(document: PairDocument) -> Outcome:
            if document.find(frame.call) is None:
                return Outcome(None, (), known.status())
            return machine.event(document, sender, frame.call, frame.kind, body, self._clock())

        return await self._apply(_pair(row.caller, row.callee), step)

    async def record(self, caller: Address, call: UUID) -> resources.CallRecord:
        """Raises Refused (not-found) for calls of others as for unknown ones."""
        known = decode_call(await self._member_call(caller, call))
        return resources.CallRecord(
            call=known.call,
            caller=known.caller,
            callee=known.callee,
            state=known.state,
            accepted_by=known.accepted_by,
            reason=known.reason,
            created_at=known.created_at,
            accepted_at=known.accepted_at,
            ended_at=known.ended_at,
        )

    async def expire_due(self) -> int:
        """End calls whose time is over, and send what a crash left in outboxes: how many pairs."""
        pairs = await self._records.due_calls(self._clock(), DUE_PAIRS_MAX)
        for pair in pairs:
            try:
                await self._apply(pair, lambda document: machine.expire(document, self._clock()))
            except Refused:
                # Nothing to end: it was due for its outbox alone.
                await self._deliver(pair)
        return len(pairs)

    async def _invite(self, sender: Address, frame: frames.Call) -> frames.CallStatus:
        if frame.to is UNSET or frame.to == sender.account:
            raise refuse(ProblemType.INVALID, "to: an invite names the other account")
        callee = frame.to
        pair = _pair(sender.account, callee)
        known = await self._records.call(frame.call)
        if known is not None and _pair(known.caller, known.callee) != pair:
            raise refuse(ProblemType.ID_REUSED)
        if known is None:
            if await self._records.group_calls.show(frame.call) is not None:
                raise refuse(ProblemType.ID_REUSED)
            await self._check_devices(callee, frame)
            if not await self._contacts.is_accepted(callee, sender.account):
                raise refuse(ProblemType.NOT_ACCEPTED)
            await self._spend(sender.account, callee)
        wish = machine.Invite(
            call=frame.call,
            callee=callee,
            lifetime_ms=frame.lifetime_ms,
            bodies=tuple(frame.bodies),
        )
        return await self._apply(
            pair, lambda document: _invited(document, known, sender, wish, self._clock())
        )

    async def _apply(self, pair: Pair, step: Step) -> frames.CallStatus:
        for _ in range(COMMIT_ATTEMPTS_MAX):
            stored = await self._records.call_pair(pair)
            document = machine.decode(stored.document)
            if len(document.outbox) >= machine.OUTBOX_NOTICES_MAX:
                await self._deliver(pair)
                continue
            outcome = step(document)
            if outcome.document is None:
                answer = _answer(outcome)
                if document.outbox:
                    # A repeat, perhaps because its first answer was a failure to deliver.
                    await self._deliver(pair)
                return answer
            if await self._commit(pair, stored.version, outcome.document, outcome.changed):
                await self._deliver(pair)
                await self._tell_relays(outcome.changed)
                return _answer(outcome)
        raise Unavailable("too many decide about this call at once")

    async def _commit(
        self,
        pair: Pair,
        version: int,
        document: PairDocument,
        changed: Sequence[CallDocument] = (),
    ) -> bool:
        rows = [
            CallRow(known.call, known.caller.account, known.callee, encode_call(known))
            for known in changed
        ]
        due = machine.deadline(document, self._clock())
        return await self._records.commit_call(pair, version, machine.encode(document), rows, due)

    async def _deliver(self, pair: Pair) -> None:
        """Put the outbox into the queues, then take it out of the document."""
        stored = await self._records.call_pair(pair)
        sent = machine.decode(stored.document).outbox
        if not sent:
            return
        self._notify(await self._queues.change([], [_append(notice) for notice in sent]))
        for _ in range(COMMIT_ATTEMPTS_MAX):
            stored = await self._records.call_pair(pair)
            document = machine.settle(machine.decode(stored.document), sent)
            if await self._commit(pair, stored.version, document):
                return

    async def _tell_relays(self, changed: Sequence[CallDocument]) -> None:
        """A placed call's relaying goes by its credentials; an ended one's by nothing any more. Should the
        registry be away, the credentials' own times remain."""
        now = self._clock()
        try:
            for known in changed:
                if known.state is CallState.ENDED:
                    await self._relay_deadlines.put(known.call, now, RELAY_DEADLINE_MS)
                elif known.state is CallState.RINGING:
                    await self._relay_deadlines.lift(known.call)
                    # Whoever ended it meanwhile may have put its end before this lifted it.
                    row = await self._records.call(known.call)
                    if row is not None and decode_call(row).state is CallState.ENDED:
                        await self._relay_deadlines.put(known.call, now, RELAY_DEADLINE_MS)
        except WorldError as error:
            _log.warning("relays not told of a call", error=str(error))

    async def _member_call(self, member: Address, call: UUID) -> CallRow:
        row = await self._records.call(call)
        if row is None or member.account not in (row.caller, row.callee):
            raise refuse(ProblemType.NOT_FOUND)
        return row

    async def _check_devices(self, callee: UUID, frame: frames.Call) -> None:
        """An invite offers to exactly the callee's devices, as a send lists them."""
        current = {q.device: q.registration_id for q in await self._queues.devices(callee)}
        if not current:
            raise refuse(ProblemType.NOT_FOUND)
        listed = {body.device: body.registration_id for body in frame.bodies}
        if len(listed) != len(frame.bodies):
            raise refuse(ProblemType.INVALID, "bodies: a device stands there twice")
        if listed == current:
            return
        shared = listed.keys() & current.keys()
        difference = DeviceDifference(
            account=callee,
            missing=sorted(current.keys() - listed.keys()),
            extra=sorted(listed.keys() - current.keys()),
            stale=sorted(device for device in shared if listed[device] != current[device]),
        )
        raise Refused(ProblemType.DEVICES_DIFFER.describe(devices=[difference]))

    async def _spend(self, caller: UUID, callee: UUID) -> None:
        exhausted = await self._limits.spend(
            [
                Budget(f"call:caller:{caller}", self._calls_per_caller_minute, 60),
                Budget(f"call:pair:{caller}:{callee}", self._calls_per_pair_minute, 60),
            ]
        )
        if exhausted is not None:
            raise rate_limited(exhausted.retry_after_s)


def _invited(
    document: PairDocument, row: CallRow | None, sender: Address, wish: machine.Invite, now: int
) -> Outcome:
    """A call that ended so long ago that only its record is left does not ring again."""
    if row is not None and document.find(wish.call) is None:
        known = decode_call(row)
        if known.caller != sender:
            return Outcome(None, (), ProblemType.ID_REUSED.describe())
        return Outcome(None, (), known.status())
    return machine.invite(document, sender, wish, now)


def encode_call(call: CallDocument) -> bytes:
    return machine.encode(PairDocument(calls=(call,)))


def decode_call(row: CallRow) -> CallDocument:
    (call,) = machine.decode(row.document).calls
    return call


def _pair(one: UUID, other: UUID) -> Pair:
    return (one, other) if one < other else (other, one)


def _answer(outcome: Outcome) -> frames.CallStatus:
    if isinstance(outcome.answer, Problem):
        raise Refused(outcome.answer)
    return outcome.answer


def _answer_body(frame: frames.Call, caller: Address) -> bytes:
    """An accept's one body, for the calling device; other events carry none."""
    if frame.kind is not CallKind.ACCEPT:
        if frame.bodies:
            raise refuse(ProblemType.INVALID, "bodies: only invite and accept carry any")
        return b""
    if len(frame.bodies) != 1 or frame.bodies[0].device != caller.device:
        raise refuse(ProblemType.INVALID, "bodies: an accept answers the calling device")
    return frame.bodies[0].body


def _append(notice: Notice) -> Append:
    return Append(
        account=notice.account,
        payload=encode_entry(notice.event),
        expires_at=notice.event.at + notice.lifetime_ms,
        device=notice.device or None,
        except_device=notice.except_device or None,
        key=notice.key,
    )
