"""One side of a call as the server's events tell it, sans-IO.

    caller  DIALLING ─▶ RINGING ─▶ CONNECTING ─▶ ACTIVE ─▶ ENDED
    callee              RINGING ─▶ CONNECTING ─▶ ACTIVE ─▶ ENDED

Events may come twice, late, or after the end: they then change nothing. In glare a caller may become
the callee of the other's call: `joins` gives that invite.
"""

import enum
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ringline.protocol.frames import CallEvent, CallStatus
from ringline.protocol.types import CallKind, CallState


class CallPhase(enum.Enum):
    DIALLING = "dialling"
    RINGING = "ringing"
    CONNECTING = "connecting"
    """Accepted; the media's connection is being made."""
    ACTIVE = "active"
    ENDED = "ended"


class EndReason(enum.Enum):
    HUNG_UP = "hung-up"
    """By this side."""
    OTHER_HUNG_UP = "other-hung-up"
    DECLINED = "declined"
    BUSY = "busy"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"
    MISSED = "missed"
    TAKEN_ELSEWHERE = "taken-elsewhere"
    """Another device of the account accepted, declined or was busy: `outcome`."""
    JOINED = "joined"
    """Glare: it goes on as the other call between the two."""
    MEDIA_FAILED = "media-failed"
    MEDIA_ENDED = "media-ended"
    """The media's connection ended and nobody had hung up."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Rang:
    """A device of the callee rings."""


@dataclass(frozen=True, slots=True)
class Answered:
    body: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    reason: EndReason


Step = Rang | Answered | Ended

_ENDS: Final = {
    CallKind.DECLINE: EndReason.DECLINED,
    CallKind.BUSY: EndReason.BUSY,
    CallKind.CANCEL: EndReason.CANCELLED,
    CallKind.HANG_UP: EndReason.OTHER_HUNG_UP,
    CallKind.TIME_OUT: EndReason.TIMED_OUT,
    CallKind.MISSED: EndReason.MISSED,
    CallKind.TAKEN_ELSEWHERE: EndReason.TAKEN_ELSEWHERE,
}
TERMINAL: Final = frozenset(_ENDS)


class CallSide:
    def __init__(self, call: UUID, placed: bool) -> None:
        self.call = call
        self.placed = placed
        self.phase = CallPhase.DIALLING if placed else CallPhase.RINGING
        self.reason: EndReason | None = None
        self.outcome: CallKind | None = None
        self.rang = False
        self._answered = False

    @property
    def is_over(self) -> bool:
        return self.phase is CallPhase.ENDED

    def event(self, event: CallEvent) -> Step | None:
        if self.is_over or event.call != self.call:
            return None
        if event.kind in TERMINAL:
            self.outcome = event.outcome
            return self.end(_ENDS[event.kind])
        if event.kind is CallKind.RINGING and self._waits:
            self.phase, self.rang = CallPhase.RINGING, True
            return Rang()
        if event.kind is CallKind.ACCEPT and self.placed and not self._answered:
            self._answered = True
            self.phase = CallPhase.CONNECTING
            return Answered(event.body)
        return None

    @property
    def _waits(self) -> bool:
        return self.placed and self.phase in (CallPhase.DIALLING, CallPhase.RINGING)

    def status(self, status: CallStatus) -> Ended | None:
        """The server's answer to one's own event; an event may have overtaken it."""
        if self.is_over or status.lost_to is not None:
            return None
        if status.state is CallState.ENDED:
            known = None if status.reason is None else _ENDS.get(status.reason)
            return self.end(known or EndReason.REFUSED)
        if self.placed and self.phase is CallPhase.DIALLING:
            self.phase = CallPhase.RINGING
        return None

    def accepting(self) -> bool:
        """This side takes the call; False: it is too late."""
        if self.phase is not CallPhase.RINGING or self.placed:
            return False
        self.phase = CallPhase.CONNECTING
        return True

    def becomes(self, call: UUID) -> None:
        """Glare: this side takes the other's call instead of its own."""
        self.call, self.placed = call, False
        self.phase = CallPhase.CONNECTING

    def active(self) -> None:
        if self.phase is CallPhase.CONNECTING:
            self.phase = CallPhase.ACTIVE

    def end(self, reason: EndReason) -> Ended | None:
        if self.is_over:
            return None
        self.phase, self.reason = CallPhase.ENDED, reason
        return Ended(reason)

    @property
    def farewell(self) -> CallKind:
        """What ends it from this side, now."""
        if self.placed and self.phase in (CallPhase.DIALLING, CallPhase.RINGING):
            return CallKind.CANCEL
        if not self.placed and self.phase is CallPhase.RINGING:
            return CallKind.DECLINE
        return CallKind.HANG_UP
