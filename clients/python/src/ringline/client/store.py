"""What a device keeps: who it is, what waits to be sent, what came and was not given to the program.

The port. Methods block and are called from one thread; each runs in the transaction that is open, or
in one of its own. The rules that stand above single rows are here (`keep_entries`, `Store`'s
docstrings), so that both adapters obey the same.
"""

import enum
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol
from uuid import UUID

from msgspec import Struct

from ringline.protocol.frames import AnyEntry, CallEvent, Deliver, Message, Receipt
from ringline.protocol.types import Address, CallKind, ContentType, ReceiptKind

OUTBOX_MESSAGES_MAX: Final = 10_000
INBOX_ENTRIES_MAX: Final = 10_000
"""Kept and not yet given to the program; beyond that nothing more is taken from the server."""
RECENT_IDS_MAX: Final = 1_024
"""Per sender device and conversation. What can come again is far less: one delivery window."""
MESSAGES_MAX: Final = 100_000
"""Of one's own, whose states are remembered; the oldest go first."""


class Identity(Struct, frozen=True, kw_only=True):
    """A registered device. `credential` is a secret."""

    account: UUID
    device: int
    number: str
    name: str
    registration_id: int
    credential: str

    @property
    def address(self) -> Address:
        return Address(self.account, self.device)


class OutboxMessage(Struct, frozen=True, kw_only=True):
    id: UUID
    conversation: UUID
    sequence: int
    content_type: ContentType
    body: bytes
    created_at: int


class MessageState(enum.IntEnum):
    """Of one's own messages; rises only."""

    FAILED = -1
    WAITING = 0
    SENT = 1
    DELIVERED = 2
    READ = 3


class InboxRow(Struct, frozen=True, kw_only=True):
    """An entry that the program has not had. `expected`: the sequence number that was due, if not
    the message's own."""

    row: int
    entry: AnyEntry
    expected: int | None = None


class Store(Protocol):
    """Raise ProfileDamaged when the disk fails."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; committed and on the disk when it is left."""
        ...

    def server(self) -> str | None: ...

    def set_server(self, url: str) -> None: ...

    def identity(self) -> Identity | None: ...

    def set_identity(self, identity: Identity) -> None:
        """Forgets what belonged to another account. A new device of the same account keeps what is
        to be sent and to be shown, and counts anew: its queue and its numbers begin at the server."""
        ...

    def enqueue(
        self, message: UUID, conversation: UUID, content_type: ContentType, body: bytes, now: int
    ) -> OutboxMessage:
        """Number it and keep it until `settle` or `give_up`."""
        ...

    def outbox(self, conversation: UUID | None = None) -> list[OutboxMessage]:
        """By conversation and sequence; of one conversation, or all."""
        ...

    def outbox_size(self) -> int: ...

    def settle(self, message: UUID, sent_at: int) -> None:
        """The server has it. Harmless to repeat."""
        ...

    def give_up(self, message: UUID) -> None:
        """Take it out; what follows in its conversation moves up by one."""
        ...

    def renumber(self, conversation: UUID, first: int) -> None:
        """Give the conversation's waiting messages the numbers from `first` on."""
        ...

    def message_state(self, message: UUID) -> MessageState | None: ...

    def raise_state(self, messages: Sequence[UUID], state: MessageState, at: int) -> None:
        """Of those that are one's own and not there yet."""
        ...

    def last_sequence(self, sender: Address, conversation: UUID) -> int | None: ...

    def is_seen(self, sender: Address, conversation: UUID, message: UUID) -> bool: ...

    def mark_seen(
        self, sender: Address, conversation: UUID, message: UUID, sequence: int
    ) -> None: ...

    def put_inbox(self, entry: AnyEntry, expected: int | None) -> None: ...

    def inbox(self, after: int, limit: int) -> list[InboxRow]: ...

    def inbox_size(self) -> int: ...

    def drop_inbox(self, row: int) -> None:
        """The program has had it."""
        ...

    def position(self) -> int | None:
        """Everything delivered up to here is kept."""
        ...

    def set_position(self, position: int) -> None: ...

    def note_contact(self, account: UUID, number: str | None, at: int) -> None: ...

    def contacts(self) -> dict[UUID, str | None]:
        """Everybody seen, with the number if it is known; the latest last."""
        ...

    def close(self) -> None: ...


def keep_entries(
    store: Store, own: UUID, deliveries: Sequence[Deliver], position: int | None
) -> list[AnyEntry]:
    """Keep what was delivered, in one transaction; give back what is new, in order.

    A message is new when its id is not among the recent ones of its sender device and conversation:
    ids decide, never numbers, so that a sender whose numbers start again is still heard. `position`:
    up to where everything is kept then (None: nothing new to say about that).
    """
    with store.transaction():
        new = [d.entry for d in deliveries if _keep(store, own, d.entry)]
        if position is not None:
            store.set_position(position)
        return new


def _keep(store: Store, own: UUID, entry: AnyEntry) -> bool:
    match entry:
        case Message():
            return _keep_message(store, own, entry)
        case Receipt():
            if entry.message_sender == own:
                state = (
                    MessageState.READ if entry.kind is ReceiptKind.READ else MessageState.DELIVERED
                )
                store.raise_state(entry.ids, state, entry.at)
            return True
        case CallEvent(kind=CallKind.MISSED):
            if store.is_seen(entry.sender, entry.caller, entry.call):
                return False
            # Numbers belong to messages: calls remember their ids only.
            store.mark_seen(entry.sender, entry.caller, entry.call, 0)
            store.put_inbox(entry, None)
    return True


def _keep_message(store: Store, own: UUID, message: Message) -> bool:
    sender, conversation = message.sender, message.conversation
    if store.is_seen(sender, conversation, message.id):
        return False
    last = store.last_sequence(sender, conversation)
    expected = None if last is None or message.sequence == last + 1 else last + 1
    store.mark_seen(sender, conversation, message.id, message.sequence)
    store.put_inbox(message, expected)
    if sender.account != own:
        store.note_contact(sender.account, None, message.sent_at)
    return True
