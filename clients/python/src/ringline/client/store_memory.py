"""A store that ends with the process: for tests, and for programs that register anew each time."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from ringline.client.errors import OutboxFull
from ringline.client.store import (
    MESSAGES_MAX,
    OUTBOX_MESSAGES_MAX,
    RECENT_IDS_MAX,
    Identity,
    InboxRow,
    MessageState,
    OutboxMessage,
)
from ringline.protocol.frames import AnyEntry
from ringline.protocol.types import Address, ContentType

_Stream = tuple[Address, UUID]


@dataclass
class _Device:
    """What belongs to one device and goes with it."""

    outbox: dict[UUID, OutboxMessage] = field(default_factory=dict)
    next_sequence: dict[UUID, int] = field(default_factory=dict)
    states: dict[UUID, MessageState] = field(default_factory=dict)
    last: dict[_Stream, int] = field(default_factory=dict)
    seen: dict[_Stream, dict[UUID, None]] = field(default_factory=dict)
    inbox: dict[int, InboxRow] = field(default_factory=dict)
    last_row: int = 0
    position: int | None = None


class MemoryStore:
    def __init__(self) -> None:
        self._server: str | None = None
        self._identity: Identity | None = None
        self._contacts: dict[UUID, str | None] = {}
        self._device = _Device()
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        before = copy.deepcopy(self._device) if self._depth == 0 else None
        self._depth += 1
        try:
            yield
        except BaseException:
            if before is not None:
                self._device = before
            raise
        finally:
            self._depth -= 1

    def server(self) -> str | None:
        return self._server

    def set_server(self, url: str) -> None:
        self._server = url

    def identity(self) -> Identity | None:
        return self._identity

    def set_identity(self, identity: Identity) -> None:
        known, self._identity = self._identity, identity
        if known is None or known.account != identity.account:
            self._device = _Device()
        elif known.credential != identity.credential:
            self._device.position = None
            self._device.next_sequence.clear()
            for conversation in {m.conversation for m in self._device.outbox.values()}:
                self.renumber(conversation, 1)

    def enqueue(
        self, message: UUID, conversation: UUID, content_type: ContentType, body: bytes, now: int
    ) -> OutboxMessage:
        device = self._device
        if len(device.outbox) >= OUTBOX_MESSAGES_MAX:
            raise OutboxFull(f"{OUTBOX_MESSAGES_MAX} messages wait to be sent")
        sequence = device.next_sequence.get(conversation, 1)
        kept = OutboxMessage(
            id=message,
            conversation=conversation,
            sequence=sequence,
            content_type=content_type,
            body=body,
            created_at=now,
        )
        device.outbox[message] = kept
        device.next_sequence[conversation] = sequence + 1
        device.states[message] = MessageState.WAITING
        while len(device.states) > MESSAGES_MAX:
            del device.states[next(iter(device.states))]
        return kept

    def outbox(self, conversation: UUID | None = None) -> list[OutboxMessage]:
        waiting = [
            m
            for m in self._device.outbox.values()
            if conversation is None or m.conversation == conversation
        ]
        return sorted(waiting, key=lambda m: (m.conversation.bytes, m.sequence))

    def outbox_size(self) -> int:
        return len(self._device.outbox)

    def settle(self, message: UUID, sent_at: int) -> None:
        if self._device.outbox.pop(message, None) is not None:
            self.raise_state([message], MessageState.SENT, sent_at)

    def give_up(self, message: UUID) -> None:
        gone = self._device.outbox.pop(message, None)
        if gone is None:
            return
        self._device.states[message] = MessageState.FAILED
        later = [m for m in self.outbox(gone.conversation) if m.sequence > gone.sequence]
        self._number(gone.conversation, later, gone.sequence)

    def renumber(self, conversation: UUID, first: int) -> None:
        self._number(conversation, self.outbox(conversation), first)

    def _number(self, conversation: UUID, messages: Sequence[OutboxMessage], first: int) -> None:
        for sequence, message in enumerate(messages, first):
            moved = msgspec.structs.replace(message, sequence=sequence)
            self._device.outbox[message.id] = moved
        self._device.next_sequence[conversation] = first + len(messages)

    def message_state(self, message: UUID) -> MessageState | None:
        return self._device.states.get(message)

    def raise_state(self, messages: Sequence[UUID], state: MessageState, at: int) -> None:  # noqa: ARG002
        for message in messages:
            known = self._device.states.get(message)
            if known is not None and known < state:
                self._device.states[message] = state

    def last_sequence(self, sender: Address, conversation: UUID) -> int | None:
        return self._device.last.get((sender, conversation))

    def is_seen(self, sender: Address, conversation: UUID, message: UUID) -> bool:
        return message in self._device.seen.get((sender, conversation), {})

    def mark_seen(self, sender: Address, conversation: UUID, message: UUID, sequence: int) -> None:
        stream = (sender, conversation)
        if sequence:
            self._device.last[stream] = sequence
        seen = self._device.seen.setdefault(stream, {})
        seen[message] = None
        while len(seen) > RECENT_IDS_MAX:
            del seen[next(iter(seen))]

    def put_inbox(self, entry: AnyEntry, expected: int | None) -> None:
        self._device.last_row += 1
        row = InboxRow(row=self._device.last_row, entry=entry, expected=expected)
        self._device.inbox[row.row] = row

    def inbox(self, after: int, limit: int) -> list[InboxRow]:
        return [row for row in self._device.inbox.values() if row.row > after][:limit]

    def inbox_size(self) -> int:
        return len(self._device.inbox)

    def drop_inbox(self, row: int) -> None:
        self._device.inbox.pop(row, None)

    def position(self) -> int | None:
        return self._device.position

    def set_position(self, position: int) -> None:
        self._device.position = max(position, self._device.position or 0)

    def note_contact(self, account: UUID, number: str | None, at: int) -> None:  # noqa: ARG002
        known = self._contacts.pop(account, None)
        self._contacts[account] = number or known

    def contacts(self) -> dict[UUID, str | None]:
        return dict(self._contacts)

    def close(self) -> None:
        """Nothing to close."""
