"""One signalling connection, sans-IO: frames and `now` in, actions out.

    AWAITING ──join, resume──▶ ENTERING ──entered──▶ IN
        └──────────── any of them ──── close ──────▶ CLOSED

`now` is monotonic seconds. After a Close no further action is given.
"""

import enum
from dataclasses import dataclass

import msgspec

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Malformed
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.sfu import (
    AnySfuClientFrame,
    AnySfuServerFrame,
    Error,
    Join,
    Leave,
    Mute,
    Offer,
    Ping,
    Pong,
    Resume,
)
from ringline.protocol.sfu_codec import SfuCodec
from sfu.settings import SfuSettings


class SessionState(enum.Enum):
    AWAITING = "awaiting"
    ENTERING = "entering"
    IN = "in"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Emit:
    frame: AnySfuServerFrame


@dataclass(frozen=True, slots=True)
class Close:
    code: int


@dataclass(frozen=True, slots=True)
class ProbePeer:
    """Send a WebSocket ping."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Check the ticket or the secret; then `entered`, or `not_entered`."""

    frame: Join | Resume


@dataclass(frozen=True, slots=True)
class Serve:
    frame: Offer | Mute | Leave


Action = Emit | Close | ProbePeer | Enter | Serve


class _Reference(msgspec.Struct):
    ref: int = 0


class Session:
    def __init__(self, codec: SfuCodec, settings: SfuSettings, now_s: float) -> None:
        self.state = SessionState.AWAITING
        self._codec = codec
        self._settings = settings
        self._enter_until_s = now_s + settings.authentication_timeout_s
        self._heard_at_s = now_s
        self._pinged_at_s: float | None = None

    def receive(self, data: bytes, binary: bool, now_s: float) -> list[Action]:
        """One WebSocket message."""
        self.heard(now_s)
        if binary != self._codec.binary:
            detail = "this sub-protocol has " + ("binary" if self._codec.binary else "text")
            return self._malformed(ProblemType.MALFORMED.describe(detail + " frames"))
        try:
            frame = self._codec.decode_client(data)
        except Malformed as error:
            return self._undecodable(data, error.problem)
        return self.accept(frame)

    def accept(self, frame: AnySfuClientFrame) -> list[Action]:
        if self.state is SessionState.CLOSED:
            return []
        first = isinstance(frame, Join | Resume)
        if self.state is SessionState.AWAITING and first:
            self.state = SessionState.ENTERING
            return [Enter(frame)]  # type: ignore[arg-type] # `first` says so
        if self.state is not SessionState.IN:
            problem = ProblemType.UNAUTHENTICATED.describe("the first frame is `join` or `resume`")
            return [*self.refused(frame.ref, problem), *self.close(CloseCode.PROTOCOL_ERROR)]
        match frame:
            case Ping():
                return [Emit(Pong(ref=frame.ref))]
            case Offer() | Mute() | Leave():
                return [Serve(frame)]
            case Join() | Resume():
                detail = "this connection is in a call already"
                return self.refused(frame.ref, ProblemType.INVALID.describe(detail))

    def _undecodable(self, data: bytes, problem: Problem) -> list[Action]:
        if problem.type != ProblemType.INVALID.uri or self.state is not SessionState.IN:
            return self._malformed(problem)
        return self.refused(self._reference(data), problem)

    def _reference(self, data: bytes) -> int:
        decode = msgspec.msgpack.decode if self._codec.binary else msgspec.json.decode
        try:
            ref = decode(data, type=_Reference).ref
        except (msgspec.DecodeError, RecursionError, ValueError):
            return 0
        return ref if 0 <= ref < 2**31 else 0

    def _malformed(self, problem: Problem) -> list[Action]:
        return [*self.refused(0, problem), *self.close(CloseCode.MALFORMED_FRAME)]

    # What became of it.

    def entered(self) -> None:
        if self.state is SessionState.ENTERING:
            self.state = SessionState.IN

    def not_entered(self, ref: int, problem: Problem) -> list[Action]:
        """The problem, then the close code that says what to do about it."""
        later = problem.status >= 500
        code = CloseCode.TRY_AGAIN_LATER if later else CloseCode.TICKET_REFUSED
        return [*self.refused(ref, problem), *self.close(code)]

    def refused(self, ref: int, problem: Problem) -> list[Action]:
        if self.state is SessionState.CLOSED:
            return []
        return [Emit(Error(ref=ref, problem=problem))]

    # Time.

    def heard(self, now_s: float) -> None:
        """Something came from the peer, a pong at least; or we are the ones who do not read."""
        self._heard_at_s = now_s
        self._pinged_at_s = None

    def tick(self, now_s: float) -> list[Action]:
        """Call about once a second."""
        if self.state is SessionState.CLOSED:
            return []
        if self.state is not SessionState.IN and now_s >= self._enter_until_s:
            return self.close(CloseCode.AUTHENTICATION_TIMEOUT)
        if self._pinged_at_s is not None:
            if now_s - self._pinged_at_s >= self._settings.heartbeat_timeout_s:
                return self.close(CloseCode.HEARTBEAT_TIMEOUT)
        elif now_s - self._heard_at_s >= self._settings.heartbeat_interval_s:
            self._pinged_at_s = now_s
            return [ProbePeer()]
        return []

    def close(self, code: int) -> list[Action]:
        if self.state is SessionState.CLOSED:
            return []
        self.state = SessionState.CLOSED
        return [Close(code)]
