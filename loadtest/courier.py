"""One device's books, without a socket: what it sent and was not answered, what it has shown.

A courier keeps every unanswered send and gives it out again, same id and sequence, in order, on each
new connection and after a refusal that passes. It shows an entry once: deliveries rise by position,
so what is not above the highest shown one is the gateway delivering again. A message id that comes
at a second position is shown a second time, on purpose: that is a server's mistake that the journal
must see.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ringline.protocol import frames
from ringline.protocol.limits import ACKNOWLEDGE_POSITIONS_MAX, SEND_WINDOW_FRAMES_MAX
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.types import Address, ContentType, DeviceBody, ReceiptKind, Recipient

PASSING: Final = frozenset(
    problem.uri
    for problem in (
        ProblemType.SEQUENCE,
        ProblemType.RATE_LIMITED,
        ProblemType.UNAVAILABLE,
        ProblemType.STORAGE_FULL,
    )
)
"""Refusals that a retry in order can outlive; any other one is a finding."""
RETRY_DELAY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the load knows it; the credential buys access tokens."""

    address: Address
    registration_id: int
    credential: str

    def as_recipient(self, body: bytes) -> Recipient:
        return Recipient(
            account=self.address.account,
            bodies=[DeviceBody(self.address.device, self.registration_id, body)],
        )


@dataclass(frozen=True, slots=True)
class Answered:
    send: frames.Send
    sent_at: int


@dataclass(frozen=True, slots=True)
class Refused:
    """`passing`: nothing is lost by it; the courier will give a send out again by itself."""

    send: frames.Send | None
    problem: Problem
    passing: bool


@dataclass(frozen=True, slots=True)
class Showed:
    position: int
    message: frames.Message


Event = Answered | Refused | Showed | frames.Ready


@dataclass(slots=True)
class Courier:
    device: Device
    window_frames_max: int = SEND_WINDOW_FRAMES_MAX
    """Unanswered sends on the wire at a time; more wait here."""
    shown_to: int = 0
    redelivered: int = 0
    receipted: int = 0
    """Own messages that a recipient's device acknowledged."""
    _sequences: dict[UUID, int] = field(default_factory=dict)
    _next_ref: int = 1
    _waiting: dict[int, frames.Send] = field(default_factory=dict)
    """By ref, oldest first: not on this connection yet."""
    _in_flight: dict[int, frames.Send] = field(default_factory=dict)
    """By ref, oldest first: taken for this connection, not answered."""
    _written: set[int] = field(default_factory=set)
    """Refs of those of them whose bytes have left."""
    _stalled: bool = False
    """A refusal passed through; nothing goes out until the retry is due."""
    _unacknowledged: list[int] = field(default_factory=list)
    _ready: bool = False

    def compose(
        self,
        message: UUID,
        conversation: UUID,
        recipients: list[Recipient],
        sequence: int | None = None,
    ) -> frames.Send:
        """Enter a new message, the next of its conversation unless told. It leaves by `take`."""
        if sequence is None:
            sequence = self._sequences.get(conversation, 0) + 1
        self._sequences[conversation] = sequence
        send = frames.Send(
            ref=self._next_ref,
            id=message,
            conversation=conversation,
            sequence=sequence,
            content_type=ContentType.UNSEALED,
            recipients=recipients,
        )
        self._next_ref += 1
        self._waiting[send.ref] = send
        return send

    @property
    def ready(self) -> bool:
        return self._ready

    @property
    def unanswered(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def in_flight(self) -> tuple[UUID, ...]:
        """Ids whose bytes went to the live connection and that are not answered."""
        return tuple(send.id for ref, send in self._in_flight.items() if ref in self._written)

    def opening(self, token: str, *, resume: bool) -> frames.Authenticate:
        """The first frame of a new connection; without `resume` the queue comes from its oldest entry."""
        self.disconnected()
        after = self.shown_to if resume and self.shown_to else None
        return frames.Authenticate(ref=0, token=token, resume_after=after)

    def disconnected(self) -> None:
        """All that was in flight waits for the next connection, before what was composed later."""
        self._ready = False
        self._stalled = False
        self._unacknowledged.clear()
        self._waiting = dict(sorted((self._in_flight | self._waiting).items()))
        self._in_flight = {}
        self._written.clear()

    def receive(self, frame: frames.AnyServerFrame) -> Event | None:
        if isinstance(frame, frames.Deliver):
            return self._deliver(frame)
        if isinstance(frame, frames.Sent):
            send = self._settled(frame.ref)
            return Answered(send, frame.sent_at) if send else None
        if isinstance(frame, frames.Error):
            return self._refused(frame)
        if isinstance(frame, frames.Ready):
            self._ready = True
            return frame
        return None

    @property
    def stalled(self) -> bool:
        """Call `retry` after RETRY_DELAY_S."""
        return self._stalled

    def retry(self) -> None:
        self._stalled = False

    def written(self, frame: frames.AnyClientFrame) -> None:
        """The bytes of what was taken have left."""
        if frame.ref in self._in_flight:
            self._written.add(frame.ref)

    def _settled(self, ref: int) -> frames.Send | None:
        self._written.discard(ref)
        return self._in_flight.pop(ref, None)

    def take(self) -> Iterable[frames.AnyClientFrame]:
        """Everything that may be written now, acknowledgements first; tell `written` of each."""
        if not self._ready:
            return []
        out: list[frames.AnyClientFrame] = self._acknowledgements()
        if not self._stalled:
            room = max(0, self.window_frames_max - len(self._in_flight))
            for ref in list(self._waiting)[:room]:
                self._in_flight[ref] = self._waiting.pop(ref)
                out.append(self._in_flight[ref])
        return out

    def _acknowledgements(self) -> list[frames.AnyClientFrame]:
        positions, self._unacknowledged = self._unacknowledged, []
        return [
            frames.Acknowledge(positions=positions[start : start + ACKNOWLEDGE_POSITIONS_MAX])
            for start in range(0, len(positions), ACKNOWLEDGE_POSITIONS_MAX)
        ]

    def _deliver(self, frame: frames.Deliver) -> Event | None:
        self._unacknowledged.append(frame.position)
        if frame.position <= self.shown_to:
            self.redelivered += 1
            return None
        self.shown_to = frame.position
        entry = frame.entry
        if isinstance(entry, frames.Message):
            return Showed(frame.position, entry)
        if isinstance(entry, frames.Receipt) and entry.kind is ReceiptKind.DELIVERED:
            self.receipted += len(entry.ids)
        return None

    def _refused(self, frame: frames.Error) -> Event:
        """Of a send, it is repeated; of an acknowledgement, the entry comes again on the next connection;
        of the opening, the gateway closes next and the close code says what to do."""
        send = self._settled(frame.ref)
        opening = not self._ready and frame.problem.type == ProblemType.UNAUTHENTICATED.uri
        passing = frame.problem.type in PASSING or opening
        if send is not None and passing:
            self._waiting[send.ref] = send
            self._waiting = dict(sorted(self._waiting.items()))
            self._stalled = True
        return Refused(send, frame.problem, passing)
