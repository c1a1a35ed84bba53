"""What a client tells is on the disk before its bytes leave, and many clients share one sync."""

import asyncio
import os
import threading
from pathlib import Path
from uuid import UUID

import pytest

from loadtest.courier import Answered, Courier, Device, Showed
from loadtest.journal import Acked, Attempt, Journal, Shown, check, read_journal
from loadtest.witness import JournalWitness
from ringline.protocol import frames
from ringline.protocol.types import Address, ContentType

ONE = Device(Address(UUID(int=1), 1), 11, "c" * 43)
OTHER = Device(Address(UUID(int=2), 1), 22, "d" * 43)


def compose(courier: Courier, number: int) -> frames.Send:
    body = OTHER.as_recipient(b"body %d" % number)
    return courier.compose(UUID(int=number), OTHER.address.account, [body])


def shown(send: frames.Send) -> Showed:
    message = frames.Message(
        id=send.id,
        conversation=ONE.address.account,
        sender=ONE.address,
        sequence=send.sequence,
        sent_at=7,
        content_type=ContentType.UNSEALED,
        body=send.recipients[0].bodies[0].body,
    )
    return Showed(3, message)


async def test_a_conversation_is_written_down_and_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        witness = JournalWitness(journal)
        send = compose(Courier(ONE), 1)
        witness.attempted(ONE, send)
        witness.answered(ONE, Answered(send, 7))
        witness.answered(ONE, Answered(send, 7))
        witness.showed(OTHER, shown(send))
        await witness.settle()
        records = list(read_journal(path))
    assert [type(record) for record in records] == [Attempt, Acked, Acked, Shown]
    assert check(records).holds
    assert (witness.attempts, witness.answers, witness.answered_at) == (1, 1, {send.id: 7})


async def test_settle_returns_when_all_told_before_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync that was under way when the record came does not count for it."""
    real, gate, syncs = os.fdatasync, threading.Event(), 0

    def slow(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        gate.wait(30)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    courier = Courier(ONE)
    with Journal(tmp_path / "journal") as journal:
        witness = JournalWitness(journal)
        witness.attempted(ONE, compose(courier, 1))
        early = asyncio.create_task(witness.settle())
        async with asyncio.timeout(30):
            while not syncs:  # noqa: ASYNC110 - the thread cannot set an asyncio event
                await asyncio.sleep(0)
            late = []
            for number in range(2, 12):
                witness.attempted(ONE, compose(courier, number))
                late.append(asyncio.create_task(witness.settle()))
            await asyncio.sleep(0)
            assert not early.done()
            gate.set()
            await asyncio.gather(early, *late)
        assert journal.durable == journal.recorded == 11
        assert syncs == 2, "the ten that waited shared one"


async def test_a_disk_that_fails_is_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with Journal(tmp_path / "journal") as journal:
        witness = JournalWitness(journal)
        witness.attempted(ONE, compose(Courier(ONE), 1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", broken)
            with pytest.raises(OSError, match="Input/output error"):
                await witness.settle()
