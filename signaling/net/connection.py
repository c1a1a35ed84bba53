"""One WebSocket: a reader, a writer, and the frames that are being worked on; all bounded.

The reader is the request's own task. It stops reading while SEND_WINDOW_FRAMES_MAX frames are in
work or the account's budget is used up; TCP then holds the peer back. The writer takes one frame at
a time; what waits for it is limited in bytes, and a frame that cannot be written in time ends the
connection, whose queue is kept.

Sends of one conversation are handed to the mailbox in the order they came without waiting for each
other's commit. Should one overtake another on a cold path it is refused for its sequence number;
then it waits for the one before and goes again, once.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal
from uuid import UUID

import structlog
from aiohttp import WSMsgType, web

from messaging.errors import Refused
from ringline.protocol import limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Codec
from ringline.protocol.frames import Authenticate, Error, Send, Watch
from ringline.protocol.problems import Problem, ProblemType
from signaling.parts import Parts
from signaling.rate import TokenBucket
from signaling.refusals import Expected, problem_of, slug_of
from signaling.session import (
    Action,
    Close,
    Emit,
    LogIn,
    ProbePeer,
    Renew,
    Serve,
    Session,
    Settle,
)
from signaling.settings import CLOSE_TIMEOUT_S, SENDING_BYTES_MAX

ANONYMOUS_FRAMES_PER_S: Final = 5
ANONYMOUS_FRAMES_BURST: Final = 10
FLUSH_TIMEOUT_S: Final = 1.0
THROTTLE_STEP_S_MAX: Final = 1.0
DISCARD_PAUSE_S: Final = 0.002
"""Between frames that nobody will look at: a flood is not read at full speed to its end."""

_log = structlog.get_logger()


class WebSocketConnection:
    """`ws` is prepared; `logged_in` is called when the device is known."""

    def __init__(
        self,
        ws: "web.WebSocketResponse[Literal[False]]",
        *,
        transport: asyncio.Transport,
        session: Session,
        codec: Codec,
        parts: Parts,
        logged_in: Callable[[], None],
    ) -> None:
        self.session = session
        self._ws = ws
        self._transport = transport
        self._codec = codec
        self._opcode = WSMsgType.BINARY if codec.binary else WSMsgType.TEXT
        self._parts = parts
        self._logged_in = logged_in
        self._loop = asyncio.get_running_loop()
        self._bucket = TokenBucket(ANONYMOUS_FRAMES_PER_S, ANONYMOUS_FRAMES_BURST, parts.clock())
        self._outgoing: deque[tuple[bytes, WSMsgType]] = deque()
        self._outgoing_bytes = 0
        self._outgoing_ready = asyncio.Event()
        self._flushed = asyncio.Event()
        self._writing_since: float | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._lanes: dict[UUID, asyncio.Task[None]] = {}
        self._work_done = asyncio.Event()
        self._reading_held = False
        self._throttled_since: float | None = None
        self._draining = False
        self._code: CloseCode | None = None
        self._shutting: asyncio.Task[None] | None = None
        self._peer_done = asyncio.Event()

    async def run(self) -> None:
        """Until either side has closed."""
        self._flushed.set()
        writer = asyncio.create_task(self._write())
        self._parts.metrics.connections_open.inc()
        try:
            await self._read()
        finally:
            self._peer_done.set()
            self._parts.metrics.connections_open.dec()
            self.session.close(CloseCode.GOING_AWAY)
            self._parts.left(self)
            await self._end(writer)

    async def _end(self, writer: asyncio.Task[None]) -> None:
        if self._shutting is not None:
            await asyncio.gather(self._shutting, return_exceptions=True)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        if self._work:
            await asyncio.wait(self._work, timeout=self._parts.settings.stop_timeout_s)

    # Reading.

    async def _read(self) -> None:
        while True:
            message = await self._ws.receive()
            if message.type not in _FROM_PEER:
                await self._ended(message.type)
                return
            # While the connection closes what still comes is thrown away: a socket closed with
            # unread bytes is reset, and the close code would be lost with it.
            if self._draining or self._code is not None:
                if self._transport.is_closing():
                    return
                await asyncio.sleep(DISCARD_PAUSE_S)
                continue
            if await self._admit():
                await self._take(message.type, message.data)

    async def _ended(self, kind: WSMsgType) -> None:
        if self._code is not None:
            return
        if kind is WSMsgType.CLOSE:
            await self._ws.close(drain=False)
        elif kind is WSMsgType.ERROR:
            self._parts.metrics.sessions_closed.labels(code=int(self._ws.close_code or 1006)).inc()

    async def _admit(self) -> bool:
        """Wait until the account's budget has room for one more. False: not any more."""
        held = False
        while wait_ms := self._bucket.wait_ms(self._parts.clock()):
            held = self._reading_held = True
            if self._throttled_too_long():
                self.close(CloseCode.RATE_LIMITED)
            if self._code is not None:
                return False
            await asyncio.sleep(min(wait_ms / 1000, THROTTLE_STEP_S_MAX))
        self._reading_held = False
        if not held:
            self._throttled_since = None
        return self._bucket.take(self._parts.clock())

    def _throttled_too_long(self) -> bool:
        if self._throttled_since is None:
            self._throttled_since = self._loop.time()
        return self._loop.time() - self._throttled_since > self._parts.settings.throttled_s_max

    async def _take(self, kind: WSMsgType, data: bytes) -> None:
        if kind is WSMsgType.PING:
            self.session.heard(self._parts.clock())
            self._enqueue(data, WSMsgType.PONG)
        elif kind is WSMsgType.PONG:
            self.session.heard(self._parts.clock())
        else:
            binary = kind is WSMsgType.BINARY
            for action in self.session.receive(data, binary, self._parts.clock()):
                await self._act(action)
            await self._wait_for_room()

    async def _act(self, action: Action) -> None:
        match action:
            case LogIn(frame):
                await self._log_in(frame)
            case Renew(frame):
                await self._parts.login.refresh(self, frame)
            case Serve() | Settle():
                self._start(action)
            case _:
                self.perform([action])

    async def _log_in(self, frame: Authenticate) -> None:
        if await self._parts.login.log_in(self, frame):
            account = self.session.address.account
            self._bucket = self._parts.account_buckets.of(account, self._parts.clock())
            self._logged_in()

    async def _wait_for_room(self) -> None:
        self._reading_held = True
        while len(self._work) >= limits.SEND_WINDOW_FRAMES_MAX and self._code is None:
            self._work_done.clear()
            await self._work_done.wait()
        self._reading_held = False

    # Frames in work.

    def _start(self, action: Serve | Settle) -> None:
        if isinstance(action, Serve) and isinstance(action.frame, Watch):
            # Each account of the set is looked up: it costs as much as a frame.
            self._bucket.draw(self._parts.clock(), len(action.frame.accounts))
        kind = action.frame if isinstance(action, Serve) else action
        self._parts.metrics.frames_in.labels(type=type(kind).__name__.lower()).inc()
        lane = action.lane if isinstance(action, Serve) else None
        before = self._lanes.get(lane) if lane is not None else None
        task = asyncio.create_task(self._work_on(action, before))
        self._work.add(task)
        if lane is not None:
            self._lanes[lane] = task
        task.add_done_callback(partial(self._worked, lane))

    def _worked(self, lane: UUID | None, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if lane is not None and self._lanes.get(lane) is task:
            del self._lanes[lane]
        self._work_done.set()

    async def _work_on(self, action: Serve | Settle, before: asyncio.Task[None] | None) -> None:
        try:
            if isinstance(action, Settle):
                actions = await self._parts.live.settle(self, action)
            else:
                actions = await self._serve(action, before)
        except Expected as error:
            actions = self._refuse(action, problem_of(error))
        except Exception:
            _log.exception("frame broke", kind=type(action).__name__)
            actions = self._refuse(action, ProblemType.INTERNAL.describe())
        self.perform(actions)
        if isinstance(action, Settle):
            self._parts.delivery.mark_hungry(self)

    async def _serve(self, action: Serve, before: asyncio.Task[None] | None) -> Sequence[Action]:
        if before is None:
            return await self._parts.live.serve(self, action)
        if not isinstance(action.frame, Send):
            await asyncio.wait([before])
            return await self._parts.live.serve(self, action)
        try:
            return await self._parts.live.serve(self, action)
        except Refused as error:
            if error.problem.type != ProblemType.SEQUENCE.uri:
                raise
        await asyncio.wait([before])
        return await self._parts.live.serve(self, action)

    def _refuse(self, action: Serve | Settle, problem: Problem) -> Sequence[Action]:
        if isinstance(action, Settle):
            return self.session.restored(action, problem)
        return self.session.refused(action.frame.ref, problem)

    # Writing.

    def perform(self, actions: Sequence[Action]) -> None:
        """Actions that need no service."""
        for action in actions:
            match action:
                case Emit(frame):
                    self._emit(frame)
                case ProbePeer():
                    self._enqueue(b"", WSMsgType.PING)
                case Close(code):
                    self.close(code)
                case _:
                    raise AssertionError("only the reader starts work")

    def _emit(self, frame: object) -> None:
        metrics = self._parts.metrics
        if isinstance(frame, Error):
            metrics.frames_refused.labels(problem=slug_of(frame.problem)).inc()
        metrics.frames_out.labels(type=type(frame).__name__).inc()
        self._enqueue(self._codec.encode(frame), self._opcode)

    def _enqueue(self, data: bytes, opcode: WSMsgType) -> None:
        if self._code is not None:
            return
        if self._outgoing_bytes + len(data) > SENDING_BYTES_MAX:
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
                self._outgoing_bytes -= len(data)
                self._writing_since = self._loop.time()
                await self._ws.send_frame(data, opcode)
                self._writing_since = None
        except (ConnectionError, RuntimeError):
            # The peer is gone or we are closing: the reader hears of it as well.
            self._flushed.set()

    # Time and the end.

    def tick(self) -> None:
        """About once a second."""
        now = self._parts.clock()
        if self._reading_held:
            self.session.heard(now)
        self.perform(self.session.tick(now))
        since = self._writing_since
        if since is not None and self._loop.time() - since > self._parts.settings.send_timeout_s:
            self.close(CloseCode.SLOW_CONSUMER)

    def close(self, code: CloseCode) -> None:
        """Once; the first code counts. Returns at once."""
        self.session.close(code)
        if self._code is not None:
            return
        self._code = code
        self._work_done.set()
        self._parts.metrics.sessions_closed.labels(code=int(code)).inc()
        self._shutting = asyncio.create_task(self._shut(code))

    async def go_away(self) -> None:
        """Take no more frames, answer those in work, close."""
        self._draining = True
        if self._work:
            await asyncio.wait(self._work, timeout=self._parts.settings.stop_timeout_s)
        self.close(CloseCode.GOING_AWAY)
        if self._shutting is not None:
            await asyncio.wait([self._shutting])

    async def _shut(self, code: CloseCode) -> None:
        if code is CloseCode.SLOW_CONSUMER:
            self._outgoing.clear()
        else:
            await self._flush()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._ws.send_frame(_CLOSE_CODE.pack(code), WSMsgType.CLOSE)
                await self._peer_done.wait()
        except (TimeoutError, ConnectionError, RuntimeError):
            _log.debug("close not answered", close_code=int(code))
        finally:
            self._transport.abort()

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self._flushed.wait()
        except TimeoutError:
            _log.debug("frames left unsent", waiting=len(self._outgoing))


_CLOSE_CODE: Final = struct.Struct("!H")
_FROM_PEER: Final = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG})
