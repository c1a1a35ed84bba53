"""One signalling WebSocket: a reader, a writer, and what waits to be written; all bounded.

The reader is the request's own task and serves each frame before it reads the next, so there is one
offer at a time. What is too fast waits in TCP.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from aiohttp import WSMsgType, web

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from ringline.protocol.sfu import AnySfuServerFrame, Done, Join, Leave, Mute, Offer, Resume
from ringline.protocol.sfu_codec import SfuCodec
from sfu.admission import Admission
from sfu.calls import Calls
from sfu.errors import Refused
from sfu.participant import Participant
from sfu.rate_budget import RateBudget
from sfu.session import Action, Close, Emit, Enter, ProbePeer, Serve, Session
from sfu.settings import SfuSettings

FRAMES_PER_S: Final = 100
FRAMES_BURST: Final = 400
"""Of one connection, pings included; beyond that it is read more slowly."""
THROTTLED_S_MAX: Final = 10.0
"""Without a pause; then the connection is closed."""
FLUSH_TIMEOUT_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 2.0
SEND_TIMEOUT_S: Final = 20.0
"""A frame that cannot be written for so long ends the connection."""

_CLOSE_CODE: Final = struct.Struct("!H")
_FROM_PEER: Final = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG})
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What every connection shares."""

    settings: SfuSettings
    calls: Calls
    admission: Admission
    clock: Callable[[], float]
    closed: Callable[[int], None]
    """Told the close code of each connection that we close."""


class Connection:
    """`ws` is prepared. An Outlet of its participant."""

    def __init__(
        self,
        ws: "web.WebSocketResponse[Literal[False]]",
        transport: asyncio.Transport,
        codec: SfuCodec,
        parts: Parts,
        entered: Callable[[], None],
    ) -> None:
        self._ws = ws
        self._transport = transport
        self._codec = codec
        self._opcode = WSMsgType.BINARY if codec.binary else WSMsgType.TEXT
        self._parts = parts
        self._entered = entered
        self._session = Session(codec, parts.settings, parts.clock())
        self._budget = RateBudget(FRAMES_PER_S, FRAMES_BURST)
        self._throttled_since_s: float | None = None
        self._participant: Participant | None = None
        self._outgoing: deque[tuple[bytes, WSMsgType]] = deque()
        self._outgoing_bytes = 0
        self._outgoing_ready = asyncio.Event()
        self._flushed = asyncio.Event()
        self._writing_since_s: float | None = None
        self._code: int | None = None
        self._shutting: asyncio.Task[None] | None = None
        self._peer_done = asyncio.Event()

    async def run(self) -> None:
        """Until either side has closed."""
        self._flushed.set()
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
        finally:
            self._peer_done.set()
            self._session.close(CloseCode.GOING_AWAY)
            if self._participant is not None:
                self._parts.calls.lost(self._participant, self)
            if self._shutting is not None:
                await asyncio.gather(self._shutting, return_exceptions=True)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    # Reading.

    async def _read(self) -> None:
        while True:
            message = await self._ws.receive()
            if message.type not in _FROM_PEER:
                if self._code is None and message.type is WSMsgType.CLOSE:
                    await self._ws.close(drain=False)
                return
            if self._code is not None:
                # What still comes is thrown away: a socket closed with unread bytes is reset, and
                # the close code would be lost with it.
                if self._transport.is_closing():
                    return
                await asyncio.sleep(0.002)
                continue
            await self._throttle()
            try:
                await self._take(message.type, message.data)
            except Exception:
                _log.exception("frame broke")
                self.close(CloseCode.INTERNAL_ERROR)

    async def _throttle(self) -> None:
        now_s = self._parts.clock()
        wait_s = self._budget.take(now_s)
        if not wait_s:
            self._throttled_since_s = None
            return
        if self._throttled_since_s is None:
            self._throttled_since_s = now_s
        elif now_s - self._throttled_since_s > THROTTLED_S_MAX:
            self.close(CloseCode.RATE_LIMITED)
        await asyncio.sleep(wait_s)
        self._budget.take(self._parts.clock())

    async def _take(self, kind: WSMsgType, data: bytes) -> None:
        now_s = self._parts.clock()
        if kind is WSMsgType.PING:
            self._session.heard(now_s)
            self._enqueue(data, WSMsgType.PONG)
        elif kind is WSMsgType.PONG:
            self._session.heard(now_s)
        else:
            for action in self._session.receive(data, kind is WSMsgType.BINARY, now_s):
                if isinstance(action, Enter):
                    await self._enter(action.frame)
                else:
                    self._perform(action)

    async def _enter(self, frame: Join | Resume) -> None:
        try:
            if isinstance(frame, Join):
                self._participant = await self._parts.admission.join(frame, self)
            else:
                self._participant = self._parts.calls.resume(frame.secret, frame.ref, self)
                if self._participant is None:
                    detail = "no stay has that secret"
                    raise Refused(ProblemType.FORBIDDEN.describe(detail))
        except Refused as error:
            for action in self._session.not_entered(frame.ref, error.problem):
                self._perform(action)
            return
        self._session.entered()
        self._entered()

    def _perform(self, action: Action) -> None:
        match action:
            case Emit(frame):
                self.send(frame)
            case Close(code):
                self.close(code)
            case ProbePeer():
                self._enqueue(b"", WSMsgType.PING)
            case Serve(frame):
                self._serve(frame)
            case Enter():
                raise AssertionError("only the reader lets somebody in")

    def _serve(self, frame: Offer | Mute | Leave) -> None:
        participant, calls = self._participant, self._parts.calls
        assert participant is not None
        try:
            match frame:
                case Offer():
                    self.send(calls.offer(participant, frame))
                case Mute():
                    calls.mute(participant, frame.track, frame.muted)
                    if frame.ref:
                        self.send(Done(ref=frame.ref))
                case Leave():
                    calls.leave(participant)
        except Refused as error:
            for action in self._session.refused(frame.ref, error.problem):
                self._perform(action)

    # Writing.

    def send(self, frame: AnySfuServerFrame) -> None:
        self._enqueue(self._codec.encode(frame), self._opcode)

    def _enqueue(self, data: bytes, opcode: WSMsgType) -> None:
        if self._code is not None:
            return
        if self._outgoing_bytes + len(data) > self._parts.settings.sending_bytes_max:
            self.close(CloseCode.SLOW_CONSUMER)
            return
        self._outgoing.append((data, opcode))
        self._outgoing_bytes += len(data)
        self._flushed.clear()
        self._outgoing_ready.set()

    async def _write(self) -> None:
        try:
            while True:
                while not self._outgoing:
                    self._flushed.set()
                    self._outgoing_ready.clear()
                    await self._outgoing_ready.wait()
                data, opcode = self._outgoing.popleft()
                self._writing_since_s = self._parts.clock()
                await self._ws.send_frame(data, opcode)
                self._outgoing_bytes -= len(data)
                self._writing_since_s = None
        except (ConnectionError, RuntimeError):
            # The peer is gone or we are closing: the reader hears of it as well.
            self._flushed.set()

    # Time and the end.

    def tick(self) -> None:
        """About once a second."""
        now_s = self._parts.clock()
        for action in self._session.tick(now_s):
            self._perform(action)
        since_s = self._writing_since_s
        if since_s is not None and now_s - since_s > SEND_TIMEOUT_S:
            self.close(CloseCode.SLOW_CONSUMER)

    def close(self, code: int) -> None:
        """Once; the first code counts. Returns at once."""
        self._session.close(code)
        if self._code is not None:
            return
        self._code = code
        self._parts.closed(code)
        self._shutting = asyncio.create_task(self._shut(code))

    async def go_away(self) -> None:
        self.close(CloseCode.GOING_AWAY)
        if self._shutting is not None:
            await asyncio.wait([self._shutting])

    async def _shut(self, code: int) -> None:
        if code == CloseCode.SLOW_CONSUMER:
            self._outgoing.clear()
        else:
            await self._flush()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._ws.send_frame(_CLOSE_CODE.pack(code), WSMsgType.CLOSE)
                await self._peer_done.wait()
        except (TimeoutError, ConnectionError, RuntimeError):
            _log.debug("close not answered", close_code=code)
        finally:
            self._transport.abort()

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self._flushed.wait()
        except TimeoutError:
            _log.debug("frames left unsent", waiting=len(self._outgoing))
