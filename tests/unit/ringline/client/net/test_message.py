import asyncio
import uuid

import pytest

from ringline.client.errors import DeadlinePassed, Refused
from ringline.client.net.message import OutgoingMessage, OutgoingMessages
from ringline.client.store import MessageState
from ringline.protocol.problems import ProblemType

ONE, BOB = uuid.UUID(int=1), uuid.UUID(int=2)


async def test_waits_for_at_least_that_far() -> None:
    message = OutgoingMessage(ONE, BOB)
    waiting = asyncio.gather(message.sent(5), message.delivered(5))
    await asyncio.sleep(0)
    message.advance(MessageState.SENT, 77)
    message.advance(MessageState.READ)
    await waiting
    message.advance(MessageState.DELIVERED)
    assert message.state is MessageState.READ
    assert message.sent_at == 77


async def test_a_deadline() -> None:
    message = OutgoingMessage(ONE, BOB)
    message.advance(MessageState.SENT)
    with pytest.raises(DeadlinePassed, match="not delivered within"):
        await message.delivered(0.01)


async def test_a_refusal() -> None:
    message = OutgoingMessage(ONE, BOB)
    waiting = asyncio.ensure_future(message.sent(5))
    await asyncio.sleep(0)
    message.fail(ProblemType.NOT_FOUND.describe())
    with pytest.raises(Refused):
        await waiting


async def test_another_process_may_get_the_receipt() -> None:
    states = iter([None, MessageState.SENT, MessageState.DELIVERED])

    async def look(_: uuid.UUID) -> MessageState | None:
        return next(states)

    message = OutgoingMessage(ONE, BOB, look)
    await message.delivered(5)


async def test_only_what_somebody_holds_is_known() -> None:
    known = OutgoingMessages()
    message = OutgoingMessage(ONE, BOB)
    known.add(message)
    assert known.get(ONE) is message
    del message
    assert known.get(ONE) is None
