"""One device's connection across all its reconnections, sans-IO: frames and `now` in, actions out.

    WAITING ─▶ BUYING ─▶ OPENING ─▶ AUTHENTICATING ─▶ READY
       ▲          └─────────┴────────────┴─────────────┤ closed, silent, too late
       └───────────────────────────────────────────────┤
    STOPPED ◀──────────── for good: revoked, replaced ─┘

Times are milliseconds of a clock that only rises. The driver carries the actions out in their order.
After `Shut` it tells nothing more of that socket; after `Stopped` nothing at all.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ringline.client.backoff import Backoff
from ringline.protocol import limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.frames import (
    Acknowledge,
    AnyClientFrame,
    AnyServerFrame,
    Authenticate,
    CallStatus,
    CaughtUp,
    Deliver,
    Done,
    Error,
    Ping,
    Pong,
    Presence,
    Ready,
    Refresh,
    Refreshed,
    Sent,
    TypingNotice,
)

STAGE_TIMEOUT_MS: Final = 10_000
"""Of each: buying a token, opening the socket, logging in."""
ANSWER_TIMEOUT_MS: Final = 30_000
"""A frame that has no answer by then shows that the connection is dead."""
SILENCE_GRACE_MS: Final = 12_000
STABLE_MS: Final = 10_000
"""A connection that held so long starts the back-off anew."""
TOKEN_MARGIN_MS: Final = 120_000
"""A token is replaced that long before its end."""
TOKEN_RETRY_MS: Final = 10_000
REQUESTS_IN_FLIGHT_MAX: Final = limits.SEND_WINDOW_FRAMES_MAX * 3 // 4
"""The rest of the server's window is for acknowledgements, pings and tokens."""
ACKNOWLEDGE_BATCH_POSITIONS: Final = limits.DELIVERY_WINDOW_ENTRIES_MAX // 4
ACKNOWLEDGE_DELAY_MS: Final = 20
ACKNOWLEDGE_RETRY_MS: Final = 1_000
_REFERENCES: Final = 2**31 - 1


class Phase(enum.Enum):
    IDLE = "idle"
    WAITING = "waiting"
    BUYING = "buying"
    OPENING = "opening"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class BuyToken:
    """Get an access token; then `token_bought`, `token_unavailable` or `credential_refused`."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open a socket; then `opened` or `closed`."""


@dataclass(frozen=True, slots=True)
class Transmit:
    frame: AnyClientFrame


@dataclass(frozen=True, slots=True)
class Shut:
    """Close the socket, whatever it is doing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """To the request with this reference. None: the connection went before the answer came."""

    ref: int
    answer: AnyServerFrame | None


@dataclass(frozen=True, slots=True)
class Arrived:
    frame: Deliver | CaughtUp | Presence | TypingNotice


@dataclass(frozen=True, slots=True)
class BecameReady:
    ready: Ready


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str
    retry_in_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """For good. `reason` is a close code's name or `credential-refused`."""

    reason: str
    code: CloseCode | None


Action = BuyToken | Open | Transmit | Shut | Answered | Arrived | BecameReady | Waiting | Stopped


class Connection:
    """`resume_after`: the highest position up to which everything is kept; read at each log-in."""

    def __init__(self, backoff: Backoff, resume_after: int | None = None) -> None:
        self.phase = Phase.IDLE
        self.resume_after = resume_after
        self._backoff = backoff
        self._until: int | None = None
        """Of the present phase, before READY: when the next step is due or this one too late."""
        self._token: str | None = None
        self._token_until = 0
        self._buying = False
        self._last_ref = 0
        self._login_ref = 0
        self._requests: dict[int, int] = {}
        """Reference and the latest moment of the answer; oldest first."""
        self._own: dict[int, tuple[int, ...]] = {}
        """Acknowledgements and other frames of this core's under way, with their positions."""
        self._own_until: dict[int, int] = {}
        self._positions: dict[int, None] = {}
        self._acknowledge_at: int | None = None
        self._ready_at = 0
        self._heard_at = 0
        self._heartbeat_ms = limits.HEARTBEAT_INTERVAL_S * 1000
        self._pinged = False
        self._refresh_at: int | None = None

    # What the program wants.

    def start(self, now: int) -> list[Action]:
        if self.phase is not Phase.IDLE:
            return []
        return self._connect(now)

    def stop(self) -> list[Action]:
        if self.phase is Phase.STOPPED:
            return []
        shut: list[Action] = [Shut()] if self._has_socket else []
        return [*shut, *self._forget(), *self._stopped("closed", None)]

    @property
    def room(self) -> int:
        """Requests that may be made now."""
        if self.phase is not Phase.READY:
            return 0
        return max(0, REQUESTS_IN_FLIGHT_MAX - len(self._requests))

    def request(self, frame: AnyClientFrame, now: int) -> tuple[int, list[Action]]:
        """Send, to be answered by `Answered` with this reference. Only while there is `room`."""
        assert self.room > 0, "there is no room for a request"
        ref = self._reference()
        self._requests[ref] = now + ANSWER_TIMEOUT_MS
        return ref, [Transmit(msgspec.structs.replace(frame, ref=ref))]

    def tell(self, frame: AnyClientFrame) -> list[Action]:
        """Send without an answer; dropped while there is no connection."""
        return [Transmit(frame)] if self.phase is Phase.READY else []

    def acknowledge(self, positions: Sequence[int], now: int) -> list[Action]:
        """These are kept. They go out together, soon."""
        if self.phase is not Phase.READY:
            return []
        self._positions.update(dict.fromkeys(positions))
        if len(self._positions) >= ACKNOWLEDGE_BATCH_POSITIONS:
            return self._flush(now)
        if self._positions and self._acknowledge_at is None:
            self._acknowledge_at = now + ACKNOWLEDGE_DELAY_MS
        return []

    def flush(self, now: int) -> list[Action]:
        """Acknowledge at once what waits for it."""
        return self._flush(now) if self.phase is Phase.READY else []

    @property
    def acknowledging(self) -> bool:
        """Something that is kept is not acknowledged yet, on this connection."""
        return bool(self._positions) or any(self._own.values())

    # What the driver tells.

    def token_bought(self, token: str, lifetime_ms: int, now: int) -> list[Action]:
        self._buying = False
        self._token, self._token_until = token, now + lifetime_ms
        if self.phase is Phase.BUYING:
            return self._open(now)
        if self.phase is not Phase.READY:
            return []
        return [self._own_request(Refresh(token=token), (), now)]

    def token_unavailable(self, reason: str, now: int) -> list[Action]:
        self._buying = False
        if self.phase is Phase.BUYING:
            return self._wait(reason, self._backoff.next_ms(), now)
        if self.phase is Phase.READY:
            self._refresh_at = now + TOKEN_RETRY_MS
        return []

    def credential_refused(self) -> list[Action]:
        self._buying = False
        if self.phase is Phase.STOPPED:
            return []
        shut: list[Action] = [Shut()] if self._has_socket else []
        return [*shut, *self._forget(), *self._stopped("credential-refused", None)]

    def opened(self, now: int) -> list[Action]:
        if self.phase is not Phase.OPENING:
            return []
        assert self._token is not None, "a socket is opened with a token in hand"
        self.phase, self._until = Phase.AUTHENTICATING, now + STAGE_TIMEOUT_MS
        self._login_ref = self._reference()
        log_in = Authenticate(
            ref=self._login_ref, token=self._token, resume_after=self.resume_after
        )
        return [Transmit(log_in)]

    def received(self, frame: AnyServerFrame, now: int) -> list[Action]:
        self.heard(now)
        if self.phase is Phase.AUTHENTICATING:
            return self._logged_in(frame, now) if isinstance(frame, Ready) else []
        if self.phase is not Phase.READY:
            return []
        match frame:
            case Deliver() | CaughtUp() | Presence() | TypingNotice():
                return [Arrived(frame)]
            case Sent() | Done() | CallStatus() | Error() | Refreshed() | Pong():
                return self._answered(frame, now)
        return []

    def heard(self, now: int) -> None:
        """Anything at all came from the server."""
        self._heard_at, self._pinged = now, False

    def closed(self, code: int | None, now: int) -> list[Action]:
        """The socket ended, or did not open (None)."""
        if not self._has_socket:
            return []
        known = _known(code)
        if known is not None and known.final:
            return [*self._forget(), *self._stopped(_name(known), known)]
        if known in (CloseCode.TOKEN_REFUSED, CloseCode.TOKEN_EXPIRED):
            self._token = None
        delay_ms = self._delay_ms(known, now)
        reason = "unreachable" if known is None else _name(known)
        return [*self._forget(), *self._wait(reason, delay_ms, now)]

    # What time does.

    @property
    def deadline(self) -> int | None:
        """When `tick` is due."""
        if self.phase is not Phase.READY:
            return self._until
        times = [
            self._heard_at + self._heartbeat_ms + (SILENCE_GRACE_MS if self._pinged else 0),
            self._acknowledge_at,
            None if self._buying else self._refresh_at,
            next(iter(self._requests.values()), None),
            next(iter(self._own_until.values()), None),
        ]
        return min(time for time in times if time is not None)

    def tick(self, now: int) -> list[Action]:
        if self.phase is Phase.READY:
            return self._tick_ready(now)
        if self._until is None or now < self._until:
            return []
        if self.phase is Phase.WAITING:
            return self._connect(now)
        if self.phase is Phase.BUYING:
            return self._wait("unreachable", self._backoff.next_ms(), now)
        return self._break("unreachable", now)

    def _tick_ready(self, now: int) -> list[Action]:
        oldest = [*self._requests.values()][:1] + [*self._own_until.values()][:1]
        if any(now >= until for until in oldest):
            return self._break("silent", now)
        silent_ms = now - self._heard_at
        if self._pinged and silent_ms >= self._heartbeat_ms + SILENCE_GRACE_MS:
            return self._break("silent", now)
        actions: list[Action] = []
        if not self._pinged and silent_ms >= self._heartbeat_ms:
            self._pinged = True
            actions.append(self._own_request(Ping(), (), now))
        if self._acknowledge_at is not None and now >= self._acknowledge_at:
            actions += self._flush(now)
        if self._refresh_at is not None and now >= self._refresh_at and not self._buying:
            self._buying = True
            actions.append(BuyToken())
        return actions

    # Steps.

    @property
    def _has_socket(self) -> bool:
        return self.phase in (Phase.OPENING, Phase.AUTHENTICATING, Phase.READY)

    def _connect(self, now: int) -> list[Action]:
        if self._token is not None and now < self._token_until - TOKEN_MARGIN_MS:
            return self._open(now)
        self.phase, self._until = Phase.BUYING, now + STAGE_TIMEOUT_MS
        if self._buying:
            return []
        self._buying = True
        return [BuyToken()]

    def _open(self, now: int) -> list[Action]:
        self.phase, self._until = Phase.OPENING, now + STAGE_TIMEOUT_MS
        return [Open()]

    def _logged_in(self, ready: Ready, now: int) -> list[Action]:
        self.phase, self._until = Phase.READY, None
        self._ready_at = now
        self._heartbeat_ms = max(1, ready.heartbeat_s) * 1000
        # The server's own clock: ours may be wrong.
        self._token_until = now + ready.token_expires_at - ready.time
        self._plan_refresh(now)
        return [BecameReady(ready)]

    def _plan_refresh(self, now: int) -> None:
        self._refresh_at = max(now + TOKEN_RETRY_MS, self._token_until - TOKEN_MARGIN_MS)

    def _answered(
        self, frame: Sent | Done | CallStatus | Error | Refreshed | Pong, now: int
    ) -> list[Action]:
        if self._requests.pop(frame.ref, None) is not None:
            return [Answered(frame.ref, frame)]
        positions = self._own.pop(frame.ref, None)
        self._own_until.pop(frame.ref, None)
        if isinstance(frame, Error) and positions and frame.problem.status >= 429:
            self._positions = dict.fromkeys([*positions, *self._positions])
            self._acknowledge_at = now + ACKNOWLEDGE_RETRY_MS
        elif isinstance(frame, Refreshed):
            self._token_until = now + limits.ACCESS_TOKEN_LIFETIME_S * 1000
            self._plan_refresh(now)
        elif isinstance(frame, Error) and positions == ():
            self._refresh_at = now + TOKEN_RETRY_MS
        return []

    def _flush(self, now: int) -> list[Action]:
        batch = tuple(self._positions)[: limits.ACKNOWLEDGE_POSITIONS_MAX]
        for position in batch:
            del self._positions[position]
        self._acknowledge_at = now if self._positions else None
        return [self._own_request(Acknowledge(positions=list(batch)), batch, now)] if batch else []

    def _own_request(
        self, frame: Acknowledge | Refresh | Ping, positions: tuple[int, ...], now: int
    ) -> Transmit:
        ref = self._reference()
        self._own[ref] = positions
        self._own_until[ref] = now + ANSWER_TIMEOUT_MS
        if isinstance(frame, Refresh):
            self._refresh_at = None
        return Transmit(msgspec.structs.replace(frame, ref=ref))

    def _break(self, reason: str, now: int) -> list[Action]:
        """This socket is of no use any more."""
        delay_ms = self._delay_ms(None, now)
        return [Shut(), *self._forget(), *self._wait(reason, delay_ms, now)]

    def _delay_ms(self, code: CloseCode | None, now: int) -> int:
        if self.phase is Phase.READY and now - self._ready_at >= STABLE_MS:
            self._backoff.reset()
        if code is CloseCode.GOING_AWAY and self._backoff.attempts == 0:
            self._backoff.attempts = 1
            return self._backoff.soon_ms()
        return self._backoff.next_ms()

    def _wait(self, reason: str, delay_ms: int, now: int) -> list[Action]:
        self.phase, self._until = Phase.WAITING, now + delay_ms
        return [Waiting(reason, delay_ms)]

    def _forget(self) -> list[Action]:
        """What was under way has no answer; what was not acknowledged comes again."""
        lost: list[Action] = [Answered(ref, None) for ref in self._requests]
        self._requests.clear()
        self._own.clear()
        self._own_until.clear()
        self._positions.clear()
        self._acknowledge_at = self._refresh_at = None
        return lost

    def _stopped(self, reason: str, code: CloseCode | None) -> list[Action]:
        self.phase, self._until = Phase.STOPPED, None
        return [Stopped(reason, code)]

    def _reference(self) -> int:
        """Never 0, and none that is under way."""
        while True:
            self._last_ref = self._last_ref % _REFERENCES + 1
            if self._last_ref not in self._requests and self._last_ref not in self._own:
                return self._last_ref


def _known(code: int | None) -> CloseCode | None:
    try:
        return None if code is None else CloseCode(code)
    except ValueError:
        return None


def _name(code: CloseCode) -> str:
    return code.name.lower().replace("_", "-")
