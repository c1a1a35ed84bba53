import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from ringline.client.content import encode_content, text_content
from ringline.client.errors import ProfileDamaged
from ringline.client.events import CallMissed, CaughtUp, Event, Gap, MessageReceived
from ringline.client.net import stream as module
from ringline.client.net.store_thread import StoreThread
from ringline.client.net.stream import EventStream
from ringline.client.store_memory import MemoryStore
from ringline.protocol.frames import CallEvent, Message
from ringline.protocol.types import Address, CallKind, ContentType

ANN, BOB = uuid.UUID(int=1), uuid.UUID(int=2)


def message(number: int) -> Message:
    return Message(
        id=uuid.UUID(int=number),
        conversation=BOB,
        sender=Address(BOB, 1),
        sequence=number,
        sent_at=number,
        content_type=ContentType.UNSEALED,
        body=encode_content(text_content(f"text {number}")),
    )


class Stage:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.thread = StoreThread(self.store)
        self.rooms = 0
        self.stream = EventStream(self.thread, self._room)

    def _room(self) -> None:
        self.rooms += 1

    def put(self, number: int, expected: int | None = None) -> None:
        self.store.put_inbox(message(number), expected)
        self.stream.inbox_grew()

    async def take(self, count: int) -> list[Event]:
        found: list[Event] = []
        async with asyncio.timeout(5), aclosing(self.stream.events()) as events:  # type: ignore[type-var]
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
        return found


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.thread.close()


def numbers(events: list[Event]) -> list[int]:
    return [event.sequence for event in events if isinstance(event, MessageReceived)]


async def test_events_come_in_the_order_of_happening(stage: Stage) -> None:
    stage.put(1)
    stage.put(2)
    stage.stream.push(CaughtUp())
    stage.put(3)
    kinds = [type(event) for event in await stage.take(4)]
    assert kinds[:2] == [MessageReceived, MessageReceived]
    assert kinds.count(CaughtUp) == 1


async def test_a_row_leaves_when_the_next_is_asked_for(stage: Stage) -> None:
    for number in range(1, 4):
        stage.put(number)
    assert numbers(await stage.take(2)) == [1, 2]
    assert stage.store.inbox_size() == 2
    assert stage.rooms == 1
    await stage.stream.confirm()
    assert stage.store.inbox_size() == 1
    await stage.stream.confirm()
    assert numbers(await stage.take(1)) == [3]


async def test_what_an_earlier_process_left_comes_first(stage: Stage) -> None:
    stage.store.put_inbox(message(1), None)
    stage.stream.push(CaughtUp())
    assert [type(event) for event in await stage.take(2)] == [MessageReceived, CaughtUp]


async def test_a_gap_before_its_message(stage: Stage) -> None:
    stage.put(9, expected=5)
    [gap, received] = await stage.take(2)
    assert gap == Gap(Address(BOB, 1), BOB, 5, 9)
    assert isinstance(received, MessageReceived)
    assert received.content.text == "text 9"


async def test_missed_calls(stage: Stage) -> None:
    missed = CallEvent(
        call=uuid.UUID(int=7),
        kind=CallKind.MISSED,
        sender=Address(BOB, 1),
        caller=BOB,
        callee=ANN,
        at=5,
        expires_at=6,
    )
    stage.store.put_inbox(missed, None)
    assert await stage.take(1) == [CallMissed(missed.call, BOB, 5)]


async def test_long_inboxes_come_in_pieces(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOAD_ROWS", 3)
    for number in range(1, 11):
        stage.store.put_inbox(message(number), None)
    assert numbers(await stage.take(10)) == list(range(1, 11))


async def test_live_events_are_bounded_and_messages_are_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIVE_EVENTS_MAX", 5)
    stage.put(1)
    for _ in range(20):
        stage.stream.push(CaughtUp())
    assert stage.stream.events_dropped == 16
    found = await stage.take(5)
    assert numbers(found) == [1]
    assert len(found) == 5


async def test_live_alone_leaves_the_inbox(stage: Stage) -> None:
    stage.put(1)
    stage.stream.push(CaughtUp())
    stage.stream.end()
    assert [event async for event in stage.stream.live()] == [CaughtUp()]
    assert stage.store.inbox_size() == 1


async def test_a_reader_waits_for_what_comes(stage: Stage) -> None:
    reading = asyncio.ensure_future(stage.take(1))
    await asyncio.sleep(0)
    stage.put(1)
    assert numbers(await reading) == [1]


async def test_the_end_comes_after_what_is_there(stage: Stage) -> None:
    stage.put(1)
    stage.stream.end(ProfileDamaged("the disk"))
    stage.stream.end()
    found = []
    with pytest.raises(ProfileDamaged):
        async for event in stage.stream.events():
            found.append(event)  # noqa: PERF401 - the loop raises
    assert numbers(found) == [1]


async def test_nothing_after_the_store_is_closed(stage: Stage) -> None:
    stage.put(1)
    await stage.take(1)
    await stage.thread.close()
    stage.stream.end()
    assert [event async for event in stage.stream.events()] == []
