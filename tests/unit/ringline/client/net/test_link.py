"""The link with sockets of the test's own."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
import pytest

from ringline.client.backoff import Backoff
from ringline.client.connection import Connection, Stopped
from ringline.client.errors import DeadlinePassed, Disconnected, Refused, Unreachable
from ringline.client.net.link import Link
from ringline.client.system import monotonic_ms
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType

LIFETIME_MS = 30 * 60 * 1000
F = TypeVar("F", bound=frames.ClientFrame)


class FakeSocket:
    def __init__(self) -> None:
        self.sent: asyncio.Queue[frames.AnyClientFrame] = asyncio.Queue()
        self.coming: asyncio.Queue[frames.AnyServerFrame | bytes | None] = asyncio.Queue()
        self.close_code: int | None = None
        self.closed = False

    async def send(self, frame: frames.AnyClientFrame) -> None:
        if self.closed:
            raise Unreachable("gone")
        self.sent.put_nowait(frame)

    async def frames(self) -> AsyncIterator[frames.AnyServerFrame | bytes]:
        while (frame := await self.coming.get()) is not None:
            yield frame

    async def close(self) -> None:
        self.closed = True

    def drop(self, code: int | None) -> None:
        self.close_code = code
        self.coming.put_nowait(None)

    async def log_in(self) -> None:
        frame = await self.next(frames.Authenticate)
        self.coming.put_nowait(
            frames.Ready(
                ref=frame.ref,
                account=uuid.UUID(int=1),
                device=1,
                session="s",
                time=0,
                token_expires_at=LIFETIME_MS,
                heartbeat_s=25,
                window=64,
                backlog=0,
            )
        )

    async def next(self, kind: type[F]) -> F:
        async with asyncio.timeout(5):
            frame = await self.sent.get()
        assert isinstance(frame, kind)
        return frame


class Stage:
    def __init__(self) -> None:
        self.sockets: asyncio.Queue[FakeSocket] = asyncio.Queue()
        self.refuse = 0
        self.events: list[object] = []
        self.token_error: Exception | None = None
        self.link = Link(
            Connection(Backoff(lambda: 0.0, first_ms=2)),
            connect=self.connect,  # type: ignore[arg-type]
            buy_token=self.buy,
            clock=monotonic_ms,
            listener=self,
        )

    async def connect(self) -> FakeSocket:
        if self.refuse:
            self.refuse -= 1
            raise Unreachable("refused")
        socket = FakeSocket()
        self.sockets.put_nowait(socket)
        return socket

    async def buy(self) -> tuple[str, int]:
        if self.token_error is not None:
            raise self.token_error
        return "t" * 43, LIFETIME_MS

    async def socket(self) -> FakeSocket:
        async with asyncio.timeout(5):
            socket = await self.sockets.get()
        await socket.log_in()
        return socket

    def ready(self, ready: frames.Ready) -> None:
        self.events.append(ready)

    def arrived(self, frame: object) -> None:
        self.events.append(frame)

    def unreadable(self, position: int) -> None:
        self.events.append(position)

    def waiting(self, reason: str, retry_in_ms: int) -> None:
        self.events.append((reason, retry_in_ms))

    def stopped(self, stopped: Stopped) -> None:
        self.events.append(stopped)

    def roomier(self) -> None:
        """Nobody waits for it here."""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.link.close()


async def test_a_request_and_its_answer(stage: Stage) -> None:
    stage.link.start()
    asking = asyncio.ensure_future(stage.link.request(frames.Watch(accounts=[]), 5))
    socket = await stage.socket()
    frame = await socket.next(frames.Watch)
    socket.coming.put_nowait(frames.Done(ref=frame.ref))
    assert await asking == frames.Done(ref=frame.ref)


async def test_a_request_goes_again_on_the_next_connection(stage: Stage) -> None:
    stage.link.start()
    asking = asyncio.ensure_future(stage.link.request(frames.Watch(accounts=[]), 5))
    first = await stage.socket()
    await first.next(frames.Watch)
    stage.refuse = 2
    first.drop(None)
    second = await stage.socket()
    frame = await second.next(frames.Watch)
    second.coming.put_nowait(frames.Done(ref=frame.ref))
    assert isinstance(await asking, frames.Done)
    assert [event[0] for event in stage.events if isinstance(event, tuple)] == ["unreachable"] * 3
    assert first.closed


async def test_refusals_raise_and_what_passes_is_repeated(stage: Stage) -> None:
    stage.link.start()
    socket = await stage.socket()
    asking = asyncio.ensure_future(stage.link.request(frames.Watch(accounts=[]), 0.5))
    frame = await socket.next(frames.Watch)
    refused = ProblemType.NOT_ACCEPTED.describe()
    socket.coming.put_nowait(frames.Error(ref=frame.ref, problem=refused))
    with pytest.raises(Refused) as error:
        await asking
    assert error.value.problem == refused
    asking = asyncio.ensure_future(stage.link.request(frames.Watch(accounts=[]), 5))
    frame = await socket.next(frames.Watch)
    socket.coming.put_nowait(
        frames.Error(ref=frame.ref, problem=ProblemType.UNAVAILABLE.describe())
    )
    frame = await socket.next(frames.Watch)
    socket.coming.put_nowait(frames.Done(ref=frame.ref))
    assert isinstance(await asking, frames.Done)


async def test_no_answer_in_time(stage: Stage) -> None:
    stage.link.start()
    with pytest.raises(DeadlinePassed):
        await stage.link.request(frames.Watch(accounts=[]), 0.05)
    with pytest.raises(DeadlinePassed):
        await stage.link.ready(0.01)


async def test_an_end_for_good_ends_who_waits(stage: Stage) -> None:
    stage.link.start()
    socket = await stage.socket()
    await stage.link.ready(5)
    asking = asyncio.ensure_future(stage.link.request(frames.Watch(accounts=[]), 5))
    await socket.next(frames.Watch)
    socket.drop(CloseCode.DEVICE_REVOKED)
    with pytest.raises(Disconnected) as error:
        await asking
    assert error.value.reason == "device-revoked"
    with pytest.raises(Disconnected):
        await stage.link.ready(5)


async def test_a_refused_credential_ends_for_good(stage: Stage) -> None:
    stage.token_error = Refused(ProblemType.CREDENTIAL_REFUSED.describe())
    stage.link.start()
    with pytest.raises(Disconnected):
        await stage.link.ready(5)


async def test_a_token_that_cannot_be_had_now(stage: Stage) -> None:
    stage.token_error = Unreachable("no network")
    stage.link.start()
    with pytest.raises(DeadlinePassed):
        await stage.link.ready(0.05)
    stage.token_error = None
    await stage.socket()
    await stage.link.ready(5)


async def test_frames_of_a_later_protocol_are_passed_over(stage: Stage) -> None:
    stage.link.start()
    socket = await stage.socket()
    await stage.link.ready(5)
    socket.coming.put_nowait(b"\xc1")
    socket.coming.put_nowait(
        msgspec.msgpack.encode({"type": "deliver", "position": 9, "entry": {"type": "hologram"}})
    )
    socket.coming.put_nowait(frames.CaughtUp())
    for _ in range(100):
        if frames.CaughtUp() in stage.events:
            break
        await asyncio.sleep(0.01)
    assert stage.events[-2:] == [9, frames.CaughtUp()]


async def test_closing_ends_every_task(stage: Stage) -> None:
    before = asyncio.all_tasks()
    stage.link.start()
    socket = await stage.socket()
    await stage.link.ready(5)
    await stage.link.close()
    assert socket.closed
    assert asyncio.all_tasks() <= before
    assert stage.events[-1] == Stopped("closed", None)


async def test_the_last_acknowledgement_is_said_before_goodbye(stage: Stage) -> None:
    stage.link.start()
    socket = await stage.socket()
    await stage.link.ready(5)
    stage.link.acknowledge([4])
    closing = asyncio.ensure_future(stage.link.close())
    frame = await socket.next(frames.Acknowledge)
    assert frame.positions == [4]
    assert not socket.closed
    socket.coming.put_nowait(frames.Done(ref=frame.ref))
    await closing
    assert socket.closed
