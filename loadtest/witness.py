"""Who is told what a client does, as it does it."""

import asyncio
from typing import Protocol
from uuid import UUID

from loadtest.courier import Answered, Device, Showed
from loadtest.journal import Acked, Attempt, Journal, Shown, body_hash
from ringline.protocol import frames
from ringline.protocol.types import Address


class Witness(Protocol):
    def attempted(self, device: Device, send: frames.Send, /) -> None:
        """Before the send can leave."""

    def answered(self, device: Device, answer: Answered, /) -> None: ...

    def showed(self, device: Device, shown: Showed, /) -> None:
        """Before the acknowledgement can leave."""

    async def settle(self) -> None:
        """Bytes are about to leave: what was told must be kept when this returns."""


class JournalWitness:
    """Writes the history that `journal.check` judges. One-device recipients and larger ones alike."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._syncing: asyncio.Task[None] | None = None
        self.attempts = 0
        self.answered_at: dict[UUID, int] = {}
        """The server's time of each message that was answered."""

    @property
    def answers(self) -> int:
        """Messages answered, each once."""
        return len(self.answered_at)

    def attempted(self, device: Device, send: frames.Send) -> None:
        self.attempts += 1
        bodies = [(r.account, each) for r in send.recipients for each in r.bodies]
        self._journal.record(
            Attempt(
                message=send.id,
                sender=device.address,
                conversation=send.conversation,
                sequence=send.sequence,
                body_hash=body_hash(bodies[0][1].body),
                recipients=tuple(Address(account, each.device) for account, each in bodies),
            )
        )

    def answered(self, device: Device, answer: Answered) -> None:
        self.answered_at.setdefault(answer.send.id, answer.sent_at)
        self._journal.record(
            Acked(message=answer.send.id, sender=device.address, sent_at=answer.sent_at)
        )

    def showed(self, device: Device, shown: Showed) -> None:
        message = shown.message
        self._journal.record(
            Shown(
                message=message.id,
                device=device.address,
                position=shown.position,
                sender=message.sender,
                sequence=message.sequence,
                sent_at=message.sent_at,
                body_hash=body_hash(message.body),
            )
        )

    async def settle(self) -> None:
        """Everybody who waits shares one sync, in a thread: a slow disk must not hold up the clients."""
        wanted = self._journal.recorded
        while self._journal.durable < wanted:
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.create_task(asyncio.to_thread(self._journal.sync))
            await asyncio.shield(self._syncing)
