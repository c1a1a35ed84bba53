"""Carries out what `client.connection` decides: sockets, tokens, timers. One per device."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from ringline.client import connection as core
from ringline.client.errors import (
    DeadlinePassed,
    Disconnected,
    Refused,
    RinglineError,
    Unreachable,
)
from ringline.client.net.socket import Socket
from ringline.client.net.tokens import is_credential_refused
from ringline.protocol.frames import (
    AnyClientFrame,
    AnyServerFrame,
    CaughtUp,
    Deliver,
    Error,
    Presence,
    Ready,
    TypingNotice,
)

REQUEST_RETRY_S: Final = 1.0
LAST_WORDS_TIMEOUT_S: Final = 2.0
OnAnswer = Callable[[AnyServerFrame | None], None]

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told what comes. Nothing here may block."""

    def ready(self, ready: Ready) -> None: ...

    def arrived(self, frame: Deliver | CaughtUp | Presence | TypingNotice) -> None: ...

    def unreadable(self, position: int) -> None:
        """A delivery that only a newer client understands: it must stay in the queue."""
        ...

    def waiting(self, reason: str, retry_in_ms: int) -> None: ...

    def stopped(self, stopped: core.Stopped) -> None: ...

    def roomier(self) -> None:
        """There may be room for requests again."""
        ...


class _Delivery(msgspec.Struct, tag_field="type", tag="deliver"):
    position: int


class Link:
    """`connect` opens a socket (Unreachable); `buy_token` as `Tokens.buy`; `clock` in milliseconds."""

    def __init__(
        self,
        connection: core.Connection,
        *,
        connect: Callable[[], Awaitable[Socket]],
        buy_token: Callable[[], Awaitable[tuple[str, int]]],
        clock: Callable[[], int],
        listener: Listener,
    ) -> None:
        self.connection = connection
        self._connect = connect
        self._buy_token = buy_token
        self._clock = clock
        self._listener = listener
        self._waiters: dict[int, OnAnswer] = {}
        self._outgoing: deque[AnyClientFrame] = deque()
        self._write = asyncio.Event()
        self._socket_task: asyncio.Task[None] | None = None
        self._token_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self.stopped: core.Stopped | None = None

    # For the program.

    @property
    def room(self) -> int:
        return self.connection.room

    @property
    def is_ready(self) -> bool:
        return self.connection.phase is core.Phase.READY

    def start(self) -> None:
        self._feed(self.connection.start(self._clock()))

    def submit(self, frame: AnyClientFrame, on_answer: OnAnswer) -> None:
        """Only while there is `room`. `on_answer(None)`: the connection went first."""
        ref, actions = self.connection.request(frame, self._clock())
        self._waiters[ref] = on_answer
        self._feed(actions)

    def tell(self, frame: AnyClientFrame) -> None:
        self._feed(self.connection.tell(frame))

    def acknowledge(self, positions: list[int]) -> None:
        self._feed(self.connection.acknowledge(positions, self._clock()))

    async def ready(self, timeout_s: float) -> None:
        """Raise Disconnected, DeadlinePassed."""
        await self._until(lambda: self.is_ready, timeout_s)

    async def request(self, frame: AnyClientFrame, timeout_s: float) -> AnyServerFrame:
        """Ask until there is an answer, on as many connections as it takes: only for what may be
        repeated. Raise Refused, Disconnected, DeadlinePassed."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while True:
            await self._until(lambda: self.room > 0, until_s - loop.time())
            answer: asyncio.Future[AnyServerFrame | None] = loop.create_future()
            self.submit(frame, lambda given, to=answer: to.done() or to.set_result(given))  # type: ignore[misc]
            try:
                async with asyncio.timeout_at(until_s):
                    given = await answer
            except TimeoutError:
                raise DeadlinePassed("the server did not answer in time") from None
            if isinstance(given, Error):
                wait_s = _pause_s(given)
                if wait_s is None or loop.time() + wait_s >= until_s:
                    raise Refused(given.problem)
                await asyncio.sleep(wait_s)
            elif given is not None:
                return given

    async def _until(self, test: Callable[[], bool], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not test():
                    if self.stopped is not None:
                        raise Disconnected(self.stopped.reason)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise DeadlinePassed("not connected in time") from None

    def stop(self) -> None:
        self._feed(self.connection.stop())

    async def close(self) -> None:
        """Acknowledge what is kept, say goodbye, and let go of everything."""
        self._feed(self.connection.flush(self._clock()))
        with contextlib.suppress(DeadlinePassed, Disconnected):
            await self._until(lambda: not self.connection.acknowledging, LAST_WORDS_TIMEOUT_S)
        self.stop()
        tasks = {
            task
            for task in (self._token_task, self._socket_task, *self._ending)
            if task is not None
        }
        if self._token_task is not None:
            self._token_task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # For the core.

    def _feed(self, actions: list[core.Action]) -> None:
        for action in actions:
            self._do(action)
        self._arm()
        self._changed.set()

    def _do(self, action: core.Action) -> None:
        match action:
            case core.Transmit(frame):
                self._outgoing.append(frame)
                self._write.set()
            case core.Answered(ref, answer):
                self._waiters.pop(ref)(answer)
                self._listener.roomier()
            case core.Arrived(frame):
                self._listener.arrived(frame)
            case core.BuyToken():
                self._token_task = asyncio.create_task(self._buy())
            case core.Open():
                self._socket_task = asyncio.create_task(self._converse())
            case core.Shut():
                self._shut()
            case core.BecameReady(ready):
                self._listener.ready(ready)
            case core.Waiting(reason, retry_in_ms):
                self._listener.waiting(reason, retry_in_ms)
            case core.Stopped():
                self.stopped = action
                self._listener.stopped(action)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.connection.deadline
        if deadline is not None:
            wait_s = max(0, deadline - self._clock()) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _tick(self) -> None:
        self._feed(self.connection.tick(self._clock()))

    async def _buy(self) -> None:
        try:
            token, lifetime_ms = await self._buy_token()
        except RinglineError as error:
            if is_credential_refused(error):
                self._feed(self.connection.credential_refused())
                return
            reason = error.name if isinstance(error, Refused) else "unreachable"
            self._feed(self.connection.token_unavailable(reason, self._clock()))
        else:
            self._feed(self.connection.token_bought(token, lifetime_ms, self._clock()))

    def _shut(self) -> None:
        task, self._socket_task = self._socket_task, None
        if task is None:
            return
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    async def _converse(self) -> None:
        """One socket, from its opening to its end."""
        self._outgoing.clear()
        try:
            socket = await self._connect()
        except Unreachable:
            self._feed(self.connection.closed(None, self._clock()))
            return
        writer = asyncio.create_task(self._write_to(socket))
        try:
            self._feed(self.connection.opened(self._clock()))
            async for frame in socket.frames():
                self._take(frame)
        finally:
            writer.cancel()
            await asyncio.shield(asyncio.ensure_future(_farewell(socket, writer)))
        self._feed(self.connection.closed(socket.close_code, self._clock()))

    def _take(self, frame: AnyServerFrame | bytes) -> None:
        if not isinstance(frame, bytes):
            self._feed(self.connection.received(frame, self._clock()))
            return
        self.connection.heard(self._clock())
        try:
            position = msgspec.msgpack.decode(frame, type=_Delivery).position
        except msgspec.DecodeError:
            _log.info("passed over a frame that this version cannot read")
            return
        self._listener.unreadable(position)

    async def _write_to(self, socket: Socket) -> None:
        while True:
            self._write.clear()
            while self._outgoing:
                try:
                    await socket.send(self._outgoing.popleft())
                except Unreachable:
                    await socket.close()
                    return
            await self._write.wait()


async def _farewell(socket: Socket, writer: asyncio.Task[None]) -> None:
    await asyncio.wait([writer])
    await socket.close()


def _pause_s(error: Error) -> float | None:
    """How long to wait before the same again; None: it would be refused again."""
    problem = error.problem
    if problem.status in {429, 503}:
        return float(problem.retry_after_s or REQUEST_RETRY_S)
    return None
