"""A message on its way, to wait for."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from ringline.client.errors import DeadlinePassed, Refused
from ringline.client.store import MessageState
from ringline.protocol.problems import Problem

LOOK_S: Final = 0.2


class OutgoingMessage:
    """`sent`, `delivered` and `read` return when the message is at least that far.

    They raise Refused when it will not be sent any more, and DeadlinePassed; the message goes on
    being sent after that.
    """

    def __init__(
        self,
        message: UUID,
        conversation: UUID,
        look: Callable[[UUID], Awaitable[MessageState | None]] | None = None,
    ) -> None:
        self.id = message
        self.conversation = conversation
        self.state = MessageState.WAITING
        self.sent_at: int | None = None
        """The server's, once it is sent."""
        self.problem: Problem | None = None
        self._look = look
        self._news = asyncio.Event()

    async def sent(self, timeout_s: float) -> None:
        """Durable on the server, in the queue of every recipient device."""
        await self._reach(MessageState.SENT, timeout_s)

    async def delivered(self, timeout_s: float) -> None:
        """Kept by a device of the other account."""
        await self._reach(MessageState.DELIVERED, timeout_s)

    async def read(self, timeout_s: float) -> None:
        await self._reach(MessageState.READ, timeout_s)

    def advance(self, state: MessageState, sent_at: int | None = None) -> None:
        self.state = max(self.state, state)
        self.sent_at = sent_at if sent_at is not None else self.sent_at
        self._news.set()

    def fail(self, problem: Problem) -> None:
        self.problem = problem
        self._news.set()

    async def _reach(self, state: MessageState, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while self.state < state:
                    if self.problem is not None:
                        raise Refused(self.problem)
                    await self._wait()
        except TimeoutError:
            raise DeadlinePassed(
                f"the message is not {state.name.lower()} within {timeout_s:.3g} s"
            ) from None

    async def _wait(self) -> None:
        self._news.clear()
        if self._look is None:
            await self._news.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()
        known = await self._look(self.id)
        if known is not None:
            self.state = max(self.state, known)


class OutgoingMessages:
    """Those that somebody holds."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[UUID, OutgoingMessage] = WeakValueDictionary()

    def add(self, message: OutgoingMessage) -> None:
        self._known[message.id] = message

    def get(self, message: UUID) -> OutgoingMessage | None:
        return self._known.get(message)
