"""The call machine against every order of events: duplicates, glare, four accepting at once, losses."""

from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ringline.protocol.frames import CallDeviceBody, CallEvent, CallStatus
from ringline.protocol.problems import Problem
from ringline.protocol.types import Address, CallKind, CallState
from signaling import call as machine
from signaling.call import Invite, Notice, Outcome, PairDocument

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


def other(account: UUID) -> UUID:
    return BERT if account == ANNA else ANNA


class Calls(RuleBasedStateMachine):
    """The server's document, what is on its way, and what each device has been told."""

    def __init__(self) -> None:
        super().__init__()
        self.document = PairDocument()
        self.now = 1_000_000
        self.told: dict[Address, list[CallEvent]] = {device: [] for device in EVERYBODY}
        self.calls: list[UUID] = []
        self.callers: dict[UUID, Address] = {}
        self.accepted: dict[UUID, int] = {}
        self.ended: dict[UUID, tuple[CallKind | None, UUID | None]] = {}
        self.connected: dict[UUID, set[Address]] = {}
        self.answers: list[tuple[Address, UUID, CallKind]] = []

    @initialize()
    def begin(self) -> None:
        self._invite(DEVICES[ANNA][0], UUID(int=1000))

    @rule(device=st.sampled_from(EVERYBODY), id_=st.integers(1, 2000))
    def invite(self, device: Address, id_: int) -> None:
        self._invite(device, UUID(int=id_))

    @rule(left=st.sampled_from(DEVICES[ANNA]), right=st.sampled_from(DEVICES[BERT]))
    def glare(self, left: Address, right: Address) -> None:
        self._invite(left, UUID(int=3000 + len(self.calls)))
        self._invite(right, UUID(int=2500 - len(self.calls)))

    @rule(
        device=st.sampled_from(EVERYBODY),
        kind=st.sampled_from(LATER_KINDS),
        data=st.data(),
        twice=st.booleans(),
    )
    def event(self, device: Address, kind: CallKind, data: st.DataObject, twice: bool) -> None:
        call = data.draw(st.sampled_from(self.calls))
        first = self._event(device, call, kind)
        if twice:
            before = self.document
            again = self._event(device, call, kind)
            if not isinstance(first, Problem):
                assert again == first, "a repeat is answered as before"
                assert self.document.calls == before.calls, "and changes nothing"

    @rule(data=st.data(), order=st.permutations(DEVICES[BERT]))
    def all_accept(self, data: st.DataObject, order: list[Address]) -> None:
        call = data.draw(st.sampled_from(self.calls))
        for device in order:
            self._event(device, call, CallKind.ACCEPT)

    @rule()
    def deliver(self) -> None:
        sent = self.document.outbox
        self._hand_over(sent)
        self.document = machine.settle(self.document, sent)

    @rule()
    def crash_before_settling(self) -> None:
        """The notices are in the queues, and still in the outbox: they will come again."""
        self._hand_over(self.document.outbox)

    @rule(milliseconds=st.integers(1, 60_000))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds
        self._apply(machine.expire(self.document, self.now))

    @invariant()
    def one_live_call(self) -> None:
        live = [call for call in self.document.calls if call.state is not CallState.ENDED]
        assert len(live) <= 1
        assert len(self.document.calls) <= machine.ENDED_CALLS_MAX + 1

    @invariant()
    def nothing_is_undone(self) -> None:
        for call in self.document.calls:
            if call.accepted_by is not None:
                known = self.accepted.setdefault(call.call, call.accepted_by)
                assert known == call.accepted_by, "the first accept wins for good"
            if call.state is CallState.ENDED:
                end = (call.reason, call.lost_to)
                assert self.ended.setdefault(call.call, end) == end, "an end is an end"
            else:
                assert call.call not in self.ended, "an ended call came back"
                assert call.deadline is not None

    @invariant()
    def at_most_one_accepter(self) -> None:
        assert all(len(devices) <= 1 for devices in self.connected.values())

    @invariant()
    def notices_reach_members_alone(self) -> None:
        for device, events in self.told.items():
            for event in events:
                assert device.account in (event.caller, event.callee)
                if event.kind is CallKind.TAKEN_ELSEWHERE:
                    assert event.sender != device, "who took it is not told that another did"

    def teardown(self) -> None:
        self.deliver()
        self.now += machine.CALL_LIFETIME_MS + RING_MS
        self._apply(machine.expire(self.document, self.now))
        self.deliver()
        assert self.document.live is None, "every call ends by itself"
        assert not self.document.outbox
        for device, events in self.told.items():
            self._check_rung(device, events)
        self._check_callers()

    def _check_rung(self, device: Address, events: list[CallEvent]) -> None:
        """Whoever rang is told that it is over, unless it was this device that took or ended it."""
        rung = {event.call for event in events if event.kind is CallKind.INVITE}
        over = {event.call for event in events if event.kind in FINAL}
        own = {call for who, call, _ in self.answers if who == device}
        assert rung <= over | own

    def _check_callers(self) -> None:
        for call, caller in self.callers.items():
            if call not in self.ended:
                continue
            over = {event.call for event in self.told[caller] if event.kind in FINAL}
            own = {known for who, known, _ in self.answers if who == caller}
            lost = self.ended[call][1] is not None
            assert call in over | own or lost

    def _invite(self, device: Address, id_: UUID) -> None:
        if id_ in self.callers and self.document.find(id_) is None:
            # The call desk answers these from the record.
            return
        wish = Invite(
            call=id_,
            callee=other(device.account),
            lifetime_ms=RING_MS,
            bodies=tuple(
                CallDeviceBody(device=target.device, registration_id=1, body=b"offer")
                for target in DEVICES[other(device.account)]
            ),
        )
        live = self.document.live
        outcome = machine.invite(self.document, device, wish, self.now)
        self._apply(outcome)
        if outcome.document is None:
            return
        if live is not None and live.state is CallState.ACCEPTED:
            self.answers.append((device, live.call, CallKind.HANG_UP))
        if live is not None and live.caller == device:
            self.answers.append((device, live.call, CallKind.CANCEL))
        self._note_calls(id_, device)

    def _note_calls(self, id_: UUID, device: Address) -> None:
        if id_ not in self.callers:
            self.calls.append(id_)
            self.callers[id_] = device
        known = self.document.find(id_)
        if known is not None and known.lost_to is not None:
            # The losing device answers the winner: it has taken that call.
            self.answers.append((device, known.lost_to, CallKind.ACCEPT))
        for call in self.document.calls:
            if call.lost_to == id_:
                self.answers.append((call.caller, id_, CallKind.ACCEPT))
                self.answers.append((device, call.call, CallKind.ACCEPT))

    def _event(self, device: Address, call: UUID, kind: CallKind) -> CallStatus | Problem:
        body = b"answer" if kind is CallKind.ACCEPT else b""
        outcome = machine.event(self.document, device, call, kind, body, self.now)
        self._apply(outcome)
        if isinstance(outcome.answer, CallStatus):
            self.answers.append((device, call, kind))
            state = self.document.find(call)
            if kind is CallKind.ACCEPT and state is not None and device == state.accepting:
                self.connected.setdefault(call, set()).add(device)
        return outcome.answer

    def _apply(self, outcome: Outcome) -> None:
        if outcome.document is not None:
            encoded = machine.encode(outcome.document)
            self.document = machine.decode(encoded)
            assert self.document == outcome.document

    def _hand_over(self, notices: tuple[Notice, ...]) -> None:
        for notice in notices:
            devices = [
                device
                for device in DEVICES[notice.account]
                if notice.device in (0, device.device) and device.device != notice.except_device
            ]
            for device in devices:
                self.told[device].append(notice.event)


Calls.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCalls = Calls.TestCase
