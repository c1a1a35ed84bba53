import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from ringline.client.backoff import Backoff
from ringline.client.connection import Connection
from ringline.client.errors import ProfileDamaged
from ringline.client.net import receiver as module
from ringline.client.net.receiver import Receiver
from ringline.client.net.store_thread import StoreThread
from ringline.client.store_memory import MemoryStore
from ringline.protocol.frames import AnyEntry, CallEvent, Deliver, Message
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
        body=b"x",
    )


def invite() -> CallEvent:
    return CallEvent(
        call=uuid.UUID(int=70),
        kind=CallKind.INVITE,
        sender=Address(BOB, 1),
        caller=BOB,
        callee=ANN,
        at=1,
        expires_at=2,
    )


class Stage:
    """The link and the home of a receiver, as far as it sees them."""

    def __init__(self, take_calls: bool = True) -> None:
        self.store = MemoryStore()
        self.thread = StoreThread(self.store)
        self.connection = Connection(Backoff(lambda: 0.0))
        self.acknowledged: list[int] = []
        self.entries: list[AnyEntry] = []
        self.caught_up_after: list[int] = []
        self.error: Exception | None = None
        self.receiver = Receiver(self.thread, ANN, take_calls=take_calls)
        self.receiver.start(self, self)  # type: ignore[arg-type]

    def acknowledge(self, positions: list[int]) -> None:
        self.acknowledged += positions

    def entry(self, entry: AnyEntry) -> None:
        self.entries.append(entry)

    def caught_up(self) -> None:
        self.caught_up_after.append(len(self.entries))

    def broken(self, error: Exception) -> None:
        self.error = error

    def arrive(self, position: int, entry: AnyEntry) -> None:
        self.receiver.arrived(Deliver(position=position, entry=entry))

    async def settle(self) -> None:
        """Until the store's thread has done all that was asked of it."""
        for _ in range(20):
            await self.thread.run(lambda _: None)
            await asyncio.sleep(0)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.receiver.close()
    await stage.thread.close()


async def test_kept_then_acknowledged_then_told(stage: Stage) -> None:
    for number in (1, 2):
        stage.arrive(number, message(number))
    stage.receiver.caught_up()
    await stage.settle()
    assert stage.acknowledged == [1, 2]
    assert stage.entries == [message(1), message(2)]
    assert stage.caught_up_after == [2]
    assert stage.store.position() == stage.connection.resume_after == 2


async def test_repeats_are_acknowledged_and_not_told(stage: Stage) -> None:
    stage.arrive(1, message(1))
    stage.arrive(2, message(1))
    await stage.settle()
    assert stage.acknowledged == [1, 2]
    assert len(stage.entries) == 1


async def test_a_full_inbox_takes_nothing_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INBOX_ENTRIES_MAX", 2)
    for number in (1, 2, 3):
        stage.arrive(number, message(number))
        await stage.settle()
    assert stage.acknowledged == [1, 2]
    stage.store.drop_inbox(1)
    stage.receiver.roomier()
    await stage.settle()
    assert stage.acknowledged == [1, 2, 3]


async def test_what_comes_again_after_a_reconnection_is_not_held_twice(stage: Stage) -> None:
    stage.arrive(1, message(1))
    stage.receiver.connected()
    stage.arrive(1, message(1))
    await stage.settle()
    assert stage.acknowledged == [1]


async def test_invites_are_left_for_another_program() -> None:
    stage = Stage(take_calls=False)
    stage.arrive(1, message(1))
    await stage.settle()
    stage.arrive(2, invite())
    stage.arrive(3, message(3))
    await stage.settle()
    assert stage.acknowledged == [1, 3]
    assert stage.entries == [message(1), message(3)]
    assert stage.connection.resume_after == 1, "resuming behind the invite would lose it"
    stage.receiver.connected()
    stage.arrive(4, message(4))
    await stage.settle()
    assert stage.connection.resume_after == 4
    await stage.receiver.close()
    await stage.thread.close()


async def test_what_cannot_be_read_is_not_resumed_behind(stage: Stage) -> None:
    stage.receiver.leave_out()
    stage.arrive(5, message(5))
    await stage.settle()
    assert stage.acknowledged == [5]
    assert stage.connection.resume_after is None


async def test_a_store_that_fails_acknowledges_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ProfileDamaged("the disk")

    monkeypatch.setattr(stage.store, "put_inbox", fail)
    stage.arrive(1, message(1))
    await stage.settle()
    assert isinstance(stage.error, ProfileDamaged)
    assert stage.acknowledged == []
    assert stage.entries == []
