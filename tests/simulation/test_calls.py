"""The call machine against every order of events: duplicates, glare, four devices accepting at once,
lost answers, entries that come twice or late. Each device is a small model of a client; when everything
has arrived, what the devices believe must be what the server's document says."""

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ringline.protocol.frames import CallDeviceBody, CallEvent, CallStatus
from ringline.protocol.problems import Problem
from ringline.protocol.types import Address, CallKind, CallState
from signaling import call as machine
from signaling.call import CallDocument, Invite, Notice, Outcome, PairDocument

ANNA, BERT = UUID(int=1), UUID(int=2)
DEVICES = {
    ANNA: [Address(ANNA, number) for number in (1, 2)],
    BERT: [Address(BERT, number) for number in (1, 2, 3, 4)],
}
EVERYBODY = [*DEVICES[ANNA], *DEVICES[BERT]]
RING_MS = 45_000
FINAL = {
    CallKind.DECLINE,
    CallKind.BUSY,
    CallKind.CANCEL,
    CallKind.HANG_UP,
    CallKind.TIME_OUT,
    CallKind.MISSED,
    CallKind.TAKEN_ELSEWHERE,
}
LATER_KINDS = [
    CallKind.RINGING,
    CallKind.ACCEPT,
    CallKind.DECLINE,
    CallKind.BUSY,
    CallKind.CANCEL,
    CallKind.HANG_UP,
]
WAITING, CONNECTED, OVER = 0, 1, 2
"""How far a device believes a call to be; never back."""
Sent = tuple[UUID, CallKind]


@dataclass
class Phone:
    """What one device has been told, and what it makes of it."""

    address: Address
    inbox: list[tuple[bytes, CallEvent]] = field(default_factory=list)
    """Its queue: a key once for as long as the entry is there."""
    calls: dict[UUID, int] = field(default_factory=dict)
    placed: set[UUID] = field(default_factory=set)
    rung: set[UUID] = field(default_factory=set)
    finals: dict[UUID, set[CallKind]] = field(default_factory=dict)
    unanswered: list[Sent] = field(default_factory=list)
    """Events to send, for the first time or because their answers were lost."""

    def put(self, notice: Notice) -> None:
        if all(notice.key != key for key, _ in self.inbox):
            self.inbox.append((notice.key, notice.event))

    def hear(self, event: CallEvent) -> None:
        if event.kind in FINAL:
            self.finals.setdefault(event.call, set()).add(event.kind)
            self.believe(event.call, OVER)
        elif event.kind is CallKind.ACCEPT:
            self.believe(event.call, CONNECTED)
        elif event.kind is CallKind.INVITE and event.glare:
            # One's own call lost: which one, its invite's answer says; this one wants an answer.
            waiting = [c for c in self.placed if self.calls[c] is not OVER]
            self.unanswered += [(call, CallKind.INVITE) for call in waiting]
            self.unanswered.append((event.call, CallKind.ACCEPT))
        elif event.kind is CallKind.INVITE:
            self.rung.add(event.call)
            self.believe(event.call, WAITING)

    def answered(self, kind: CallKind, status: CallStatus) -> None:
        if status.lost_to is not None:
            self.believe(status.call, OVER)
            if kind is CallKind.INVITE:
                self.unanswered.append((status.lost_to, CallKind.ACCEPT))
        elif status.state is CallState.ENDED:
            self.believe(status.call, OVER)
        elif status.state is CallState.ACCEPTED and kind in (CallKind.INVITE, CallKind.ACCEPT):
            self.believe(status.call, CONNECTED)

    def believe(self, call: UUID, phase: int) -> None:
        self.calls[call] = max(phase, self.calls.get(call, WAITING))

    def start_anew(self) -> None:
        """It calls: whatever it had placed or taken before is over for it."""
        for call, phase in self.calls.items():
            if call in self.placed or phase == CONNECTED:
                self.believe(call, OVER)


def other(account: UUID) -> UUID:
    return BERT if account == ANNA else ANNA


class Calls(RuleBasedStateMachine):
    """The server's document and the devices of two accounts."""

    def __init__(self) -> None:
        super().__init__()
        self.document = PairDocument()
        self.now = 1_000_000
        self.phones = {device: Phone(device) for device in EVERYBODY}
        self.calls: list[UUID] = []
        self.known: dict[UUID, CallDocument] = {}
        """The latest of every call, as its record keeps it."""
        self.enders: dict[UUID, Address | None] = {}
        self.winners: dict[UUID, set[Address]] = {}

    @initialize()
    def begin(self) -> None:
        self._send(DEVICES[ANNA][0], (UUID(int=1000), CallKind.INVITE), lost=False)

    @rule(device=st.sampled_from(EVERYBODY), id_=st.integers(1, 2000), lost=st.booleans())
    def invite(self, device: Address, id_: int, lost: bool) -> None:
        self._send(device, (UUID(int=id_), CallKind.INVITE), lost=lost)

    @rule(
        left=st.sampled_from(DEVICES[ANNA]),
        right=st.sampled_from(DEVICES[BERT]),
        lost=st.booleans(),
    )
    def glare(self, left: Address, right: Address, lost: bool) -> None:
        self._send(left, (UUID(int=3000 + len(self.calls)), CallKind.INVITE), lost=lost)
        self._send(right, (UUID(int=2500 - len(self.calls)), CallKind.INVITE), lost=lost)

    @rule(
        device=st.sampled_from(EVERYBODY),
        kind=st.sampled_from(LATER_KINDS),
        data=st.data(),
        twice=st.booleans(),
        lost=st.booleans(),
    )
    def event(
        self, device: Address, kind: CallKind, data: st.DataObject, twice: bool, lost: bool
    ) -> None:
        sent = (data.draw(st.sampled_from(self.calls)), kind)
        first = self._send(device, sent, lost=lost)
        if twice:
            before = self.document
            self.now += 1
            again = self._send(device, sent, lost=False)
            assert self.document == before, "a repeat changes nothing"
            if not isinstance(first, Problem):
                assert again == first, "and is answered as before"

    @rule(data=st.data(), order=st.permutations(DEVICES[BERT]))
    def all_accept(self, data: st.DataObject, order: list[Address]) -> None:
        call = data.draw(st.sampled_from(self.calls))
        for device in order:
            self._send(device, (call, CallKind.ACCEPT), lost=False)

    @rule(device=st.sampled_from(EVERYBODY))
    def retry(self, device: Address) -> None:
        """The answer was lost with the connection: the same event again."""
        self._retry(self.phones[device])

    @rule()
    def put_into_queues(self) -> None:
        sent = self.document.outbox
        self._hand_over(sent)
        self.document = machine.settle(self.document, sent)

    @rule()
    def crash_before_settling(self) -> None:
        """The notices are in the queues, and still in the outbox: they will come again."""
        self._hand_over(self.document.outbox)

    @rule(device=st.sampled_from(EVERYBODY), count=st.integers(1, 4), kept=st.booleans())
    def receive(self, device: Address, count: int, kept: bool) -> None:
        """Without `kept` the connection ends before the acknowledgement: they come once more."""
        phone = self.phones[device]
        for _, event in phone.inbox[:count]:
            phone.hear(event)
        if kept:
            del phone.inbox[:count]

    @rule(milliseconds=st.integers(1, 60_000))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds
        self._apply(machine.expire(self.document, self.now), None)

    @precondition(lambda self: self.calls)
    @rule()
    def quiet(self) -> None:
        """Everything arrives: the devices believe what the document says."""
        self._arrive()
        for call in self.known.values():
            self._check_beliefs(call)
            if call.state is CallState.ENDED:
                self._check_finals(call)

    @invariant()
    def one_live_call(self) -> None:
        live = [call for call in self.document.calls if call.state is not CallState.ENDED]
        assert len(live) <= 1
        assert len(self.document.calls) <= machine.ENDED_CALLS_MAX + 1

    @invariant()
    def first_accept_alone_is_told_connected(self) -> None:
        for call, winners in self.winners.items():
            assert winners <= {self.known[call].accepting}

    @invariant()
    def nobody_is_told_of_ones_own_deed(self) -> None:
        for phone in self.phones.values():
            for _, event in phone.inbox:
                assert phone.address.account in (event.caller, event.callee)
                if event.kind is CallKind.TAKEN_ELSEWHERE:
                    assert event.sender != phone.address

    def teardown(self) -> None:
        self.quiet()
        self.now += machine.CALL_LIFETIME_MS + RING_MS
        self._apply(machine.expire(self.document, self.now), None)
        self.quiet()
        assert self.document.live is None, "every call ends by itself"
        assert not self.document.outbox
        assert machine.deadline(self.document, self.now) is None

    def _arrive(self) -> None:
        busy = True
        while busy:
            for phone in self.phones.values():
                while phone.unanswered:
                    self._retry(phone)
            self.put_into_queues()
            for phone in self.phones.values():
                self.receive(phone.address, len(phone.inbox), kept=True)
            busy = any(phone.unanswered for phone in self.phones.values())

    def _check_beliefs(self, call: CallDocument) -> None:
        believed = {
            a: phone.calls[call.call]
            for a, phone in self.phones.items()
            if call.call in phone.calls
        }
        connected = {a for a, phase in believed.items() if phase == CONNECTED}
        waiting = {a for a, phase in believed.items() if phase == WAITING}
        if call.state is CallState.ENDED:
            assert not connected | waiting
        elif call.state is CallState.RINGING:
            assert not connected
            assert waiting == {call.caller, *DEVICES[call.callee]}
        else:
            assert connected == {call.caller, call.accepting}
            assert not waiting, "nobody rings on"

    def _check_finals(self, call: CallDocument) -> None:
        """Every device that rang, and the caller, is told the end once, or caused it."""
        for address, phone in self.phones.items():
            told = phone.finals.get(call.call, set())
            if address == call.caller or call.call in phone.rung:
                assert told == self._finals(call, address)
            else:
                assert told <= self._finals(call, address)

    def _finals(self, call: CallDocument, device: Address) -> set[CallKind]:
        assert call.reason is not None
        if device == call.caller and call.lost_to is not None:
            return set()
        if device == self.enders[call.call]:
            return set() if call.lost_to is None else {CallKind.CANCEL}
        if device == call.caller:
            return {call.reason}
        if device.account != call.callee:
            return set()
        if device == call.accepting:
            return {call.reason}
        if call.accepting is None and call.reason is CallKind.CANCEL:
            return {CallKind.CANCEL, CallKind.MISSED}
        if call.accepting is None and call.reason is CallKind.TIME_OUT:
            return {CallKind.MISSED}
        return {CallKind.TAKEN_ELSEWHERE}

    def _retry(self, phone: Phone) -> None:
        if phone.unanswered:
            self._send(phone.address, phone.unanswered.pop(0), lost=False)

    def _send(self, device: Address, sent: Sent, *, lost: bool) -> CallStatus | Problem | None:
        """None: the call desk answers from the record, as the document has forgotten the call."""
        call, kind = sent
        phone = self.phones[device]
        if call in self.known and self.document.find(call) is None:
            known = self.known[call]
            if known.caller == device or kind is not CallKind.INVITE:
                phone.answered(kind, known.status())
            return None
        outcome = self._decide(device, call, kind)
        self._apply(outcome, device)
        if isinstance(outcome.answer, Problem):
            return outcome.answer
        if call not in self.calls:
            self.calls.append(call)
            phone.start_anew()
        if kind is CallKind.INVITE:
            phone.placed.add(call)
            phone.believe(call, WAITING)
        elif kind is CallKind.ACCEPT and outcome.answer.state is CallState.ACCEPTED:
            self.winners.setdefault(call, set()).add(device)
        if lost:
            phone.unanswered.append(sent)
        else:
            phone.answered(kind, outcome.answer)
        return outcome.answer

    def _decide(self, device: Address, call: UUID, kind: CallKind) -> Outcome:
        if kind is not CallKind.INVITE:
            body = b"answer" if kind is CallKind.ACCEPT else b""
            return machine.event(self.document, device, call, kind, body, self.now)
        callee = other(device.account)
        wish = Invite(
            call=call,
            callee=callee,
            lifetime_ms=RING_MS,
            bodies=tuple(
                CallDeviceBody(device=target.device, registration_id=1, body=b"offer")
                for target in DEVICES[callee]
            ),
        )
        return machine.invite(self.document, device, wish, self.now)

    def _apply(self, outcome: Outcome, by: Address | None) -> None:
        if outcome.document is None:
            return
        encoded = machine.encode(outcome.document)
        self.document = machine.decode(encoded)
        assert self.document == outcome.document
        for call in outcome.changed:
            self._note(call, by)

    def _note(self, call: CallDocument, by: Address | None) -> None:
        before = self.known.get(call.call)
        if before is not None:
            assert before.accepted_by in (None, call.accepted_by), "the first accept wins for good"
            assert before.state is not CallState.ENDED or before == call, "an end is an end"
        if call.state is CallState.ENDED and (before is None or before.state != call.state):
            self.enders[call.call] = by
        assert (call.state is CallState.ENDED) == (call.deadline is None)
        assert call.lost_to is None or call.lost_to < call.call, "in glare the lower id wins"
        self.known[call.call] = call

    def _hand_over(self, notices: tuple[Notice, ...]) -> None:
        for notice in notices:
            for device in DEVICES[notice.account]:
                if notice.device in (0, device.device) and device.device != notice.except_device:
                    self.phones[device].put(notice)


Calls.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestCalls = Calls.TestCase
