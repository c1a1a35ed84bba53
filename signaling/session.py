"""One connection of one device, sans-IO: frames and `now` in, actions out.

    AWAITING ──authenticate──▶ AUTHENTICATING ──ready──▶ READY
        └──────────── any of them ──── close ───────────▶ CLOSED

Times are UTC milliseconds. What a frame asks of the services is an action; its outcome comes back by
the method named there. After a Close no further action is given.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from backplane.registry.ports import Grant
from backplane.storage.device_queues import QueueEntry
from ringline.protocol import limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Codec, Malformed
from ringline.protocol.frames import (
    Acknowledge,
    AnyClientFrame,
    AnyEntry,
    AnyServerFrame,
    Authenticate,
    Call,
    CaughtUp,
    Deliver,
    Done,
    Error,
    Ping,
    Pong,
    Read,
    Ready,
    Refresh,
    Refreshed,
    Send,
    ServerFrame,
    Typing,
    Watch,
)
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.types import Address
from signaling.settings import GatewaySettings
from signaling.window import DeliveryWindow


class SessionState(enum.Enum):
    AWAITING = "awaiting"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    CLOSED = "closed"


class StoredDelivery(ServerFrame, tag="deliver", frozen=True, kw_only=True):
    """`Deliver` in msgpack, with the entry as it is stored."""

    position: int
    entry: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Emit:
    frame: AnyServerFrame | StoredDelivery


@dataclass(frozen=True, slots=True)
class Close:
    code: CloseCode


@dataclass(frozen=True, slots=True)
class ProbePeer:
    """Send a WebSocket ping."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """Check the token; then `ready`, or `login_refused`."""

    frame: Authenticate


@dataclass(frozen=True, slots=True)
class Renew:
    """Check the token; then `refreshed`, or an error of ours."""

    frame: Refresh


@dataclass(frozen=True, slots=True)
class Serve:
    """Hand to the service of that frame; frames of one `lane` in the order given."""

    frame: Send | Read | Typing | Watch | Call
    lane: UUID | None


@dataclass(frozen=True, slots=True)
class Settle:
    """Remove these from the queue; then `settled`, or `restored`."""

    ref: int
    delivered: dict[int, AnyEntry]
    unknown: tuple[int, ...]


Action = Emit | Close | ProbePeer | LogIn | Renew | Serve | Settle
FOREVER = 2**63


class _Reference(msgspec.Struct):
    ref: int = 0


class Session:
    """`id` names the connection among all of this node's."""

    def __init__(self, session_id: str, codec: Codec, settings: GatewaySettings, now: int) -> None:
        self.id = session_id
        self.state = SessionState.AWAITING
        self.window = DeliveryWindow()
        self._codec = codec
        self._settings = settings
        self._address: Address | None = None
        self._login_until = now + int(settings.authentication_timeout_s * 1000)
        self._expires_at = FOREVER
        self._heard_at = now
        self._pinged_at: int | None = None
        self._caught_up = False

    @property
    def known(self) -> bool:
        """A token told us whose connection this is."""
        return self._address is not None

    @property
    def address(self) -> Address:
        """Of the device, once it is known."""
        if self._address is None:
            raise AssertionError("the session has not been authenticated")
        return self._address

    # What the peer sends.

    def receive(self, data: bytes, binary: bool, now: int) -> list[Action]:
        """One WebSocket message."""
        self.heard(now)
        if binary != self._codec.binary:
            detail = "this sub-protocol has " + ("binary" if self._codec.binary else "text")
            return self._malformed(ProblemType.MALFORMED.describe(detail + " frames"))
        try:
            frame = self._codec.decode_client(data)
        except Malformed as error:
            return self._undecodable(data, error.problem)
        return self.accept(frame)

    def accept(self, frame: AnyClientFrame) -> list[Action]:
        if self.state is SessionState.READY:
            return self._accept_ready(frame)
        if self.state is SessionState.AWAITING and isinstance(frame, Authenticate):
            self.state = SessionState.AUTHENTICATING
            return [LogIn(frame)]
        if self.state is SessionState.CLOSED:
            return []
        detail = "the first frame must be `authenticate`"
        problem = ProblemType.UNAUTHENTICATED.describe(detail)
        return [Emit(Error(ref=frame.ref, problem=problem)), *self.close(CloseCode.PROTOCOL_ERROR)]

    def _accept_ready(self, frame: AnyClientFrame) -> list[Action]:
        match frame:
            case Acknowledge():
                return self._acknowledge(frame)
            case Send():
                return [Serve(frame, frame.conversation)]
            case Read() | Typing():
                return [Serve(frame, None)]
            case Call():
                return [Serve(frame, frame.call)]
            case Watch():
                return [Serve(frame, self.address.account)]
            case Ping():
                return [Emit(Pong(ref=frame.ref))]
            case Refresh():
                return [Renew(frame)]
            case Authenticate():
                detail = "this connection is authenticated; send `refresh`"
                return self.refused(frame.ref, ProblemType.INVALID.describe(detail))

    def _acknowledge(self, frame: Acknowledge) -> list[Action]:
        known, unknown = self.window.acknowledge(frame.positions)
        return [Settle(frame.ref, known, tuple(unknown))]

    def _undecodable(self, data: bytes, problem: Problem) -> list[Action]:
        if problem.type != ProblemType.INVALID.uri or self.state is not SessionState.READY:
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
        if self.state is SessionState.CLOSED:
            return []
        return [Emit(Error(ref=0, problem=problem)), *self.close(CloseCode.MALFORMED_FRAME)]

    # What the services answered.

    def authenticated(self, grant: Grant) -> None:
        """The token is good; `ready` follows when the queue and the lease are looked up."""
        self._address = grant.address
        self._expires_at = grant.expires_at

    def ready(self, ref: int, backlog: int, now: int) -> list[Action]:
        if self.state is not SessionState.AUTHENTICATING:
            return []
        self.state = SessionState.READY
        return [
            Emit(
                Ready(
                    ref=ref,
                    account=self.address.account,
                    device=self.address.device,
                    session=self.id,
                    time=now,
                    token_expires_at=self._expires_at,
                    heartbeat_s=self._settings.heartbeat_interval_s,
                    window=limits.DELIVERY_WINDOW_ENTRIES_MAX,
                    backlog=backlog,
                )
            )
        ]

    def login_refused(self, ref: int, problem: Problem) -> list[Action]:
        """The problem, then the close code that says what to do about it."""
        code = CloseCode.TRY_AGAIN_LATER if problem.status >= 500 else CloseCode.TOKEN_REFUSED
        if problem.status == 429:
            code = CloseCode.RATE_LIMITED
        return [*self.refused(ref, problem), *self.close(code)]

    def refreshed(self, ref: int, grant: Grant) -> list[Action]:
        if grant.address != self.address:
            detail = "the token is another device's"
            return self.refused(ref, ProblemType.FORBIDDEN.describe(detail))
        self._expires_at = grant.expires_at
        return self._emit(Refreshed(ref=ref, token_expires_at=grant.expires_at))

    def settled(self, settle: Settle) -> list[Action]:
        self.window.settled(tuple(settle.delivered))
        if not settle.unknown:
            return self.done(settle.ref)
        listed = ", ".join(str(position) for position in settle.unknown[:16])
        detail = f"not delivered on this connection: {listed}; the others are acknowledged"
        return self.refused(settle.ref, ProblemType.NOT_FOUND.describe(detail))

    def restored(self, settle: Settle, problem: Problem) -> list[Action]:
        self.window.restored(tuple(settle.delivered))
        return self.refused(settle.ref, problem)

    def done(self, ref: int) -> list[Action]:
        """Reference 0 asks for no answer but an error."""
        return self._emit(Done(ref=ref)) if ref else []

    def answer(self, frame: AnyServerFrame) -> list[Action]:
        return self._emit(frame)

    def refused(self, ref: int, problem: Problem) -> list[Action]:
        return self._emit(Error(ref=ref, problem=problem))

    def deliver(self, entries: Sequence[QueueEntry], asked: int) -> list[Action]:
        """What a fetch of `asked` entries after `window.fetched_to` gave."""
        if self.state is not SessionState.READY:
            return []
        actions: list[Action] = [
            Emit(self._delivery(entry, decoded))
            for entry, decoded in self.window.deliver(entries, asked)
        ]
        if not self._caught_up and not self.window.behind:
            self._caught_up = True
            actions.append(Emit(CaughtUp()))
        return actions

    def _delivery(self, entry: QueueEntry, decoded: AnyEntry) -> Deliver | StoredDelivery:
        if self._codec.binary:
            return StoredDelivery(position=entry.position, entry=msgspec.Raw(entry.payload))
        return Deliver(position=entry.position, entry=decoded)

    # What time does.

    def heard(self, now: int) -> None:
        """Something came from the peer, a pong at least; or we are the ones who do not read."""
        self._heard_at = now
        self._pinged_at = None

    def tick(self, now: int) -> list[Action]:
        """Call about once a second."""
        if self.state is SessionState.CLOSED:
            return []
        if self.state is not SessionState.READY and now >= self._login_until:
            return self.close(CloseCode.AUTHENTICATION_TIMEOUT)
        if now >= self._expires_at + int(self._settings.expired_token_grace_s * 1000):
            return self.close(CloseCode.TOKEN_EXPIRED)
        return self._beat(now)

    def _beat(self, now: int) -> list[Action]:
        if self._pinged_at is not None:
            if now - self._pinged_at >= self._settings.heartbeat_timeout_s * 1000:
                return self.close(CloseCode.HEARTBEAT_TIMEOUT)
            return []
        if now - self._heard_at < self._settings.heartbeat_interval_s * 1000:
            return []
        self._pinged_at = now
        return [ProbePeer()]

    def close(self, code: CloseCode) -> list[Action]:
        if self.state is SessionState.CLOSED:
            return []
        self.state = SessionState.CLOSED
        return [Close(code)]

    def _emit(self, frame: AnyServerFrame) -> list[Action]:
        return [Emit(frame)] if self.state is not SessionState.CLOSED else []
