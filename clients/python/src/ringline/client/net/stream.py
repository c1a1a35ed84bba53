"""The events of one client, in order: the store's inbox and what is live.

What must not be lost (messages, missed calls) is in the store until the program asks for the event
after it; a mark among the live events says where it belongs. What is live is kept in memory, at most
`LIVE_EVENTS_MAX`; beyond that the oldest go, and are counted.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from ringline.client.content import decode_content
from ringline.client.events import CallMissed, Event, Gap, MessageReceived
from ringline.client.net.store_thread import StoreThread
from ringline.client.store import InboxRow
from ringline.protocol.frames import CallEvent, Message

LIVE_EVENTS_MAX: Final = 1_024
LOAD_ROWS: Final = 64


class _Inbox:
    """The mark: here comes what the inbox has."""


_INBOX: Final = _Inbox()


class EventStream:
    """For one reader. `on_room` is called when an entry left the inbox."""

    def __init__(self, store: StoreThread, on_room: Callable[[], None]) -> None:
        self._store = store
        self._on_room = on_room
        self._live: deque[Event | _Inbox] = deque([_INBOX])
        self._rows: deque[InboxRow] = deque()
        self._last_row = 0
        self._given: int | None = None
        self._news = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None
        self.events_dropped = 0

    def push(self, event: Event) -> None:
        self._live.append(event)
        if len(self._live) > LIVE_EVENTS_MAX:
            self._drop()
        self._news.set()

    def _drop(self) -> None:
        """The oldest event; a mark moves up."""
        oldest = self._live.popleft()
        if isinstance(oldest, _Inbox):
            self._live[0] = _INBOX
        self.events_dropped += 1

    def inbox_grew(self) -> None:
        if not self._live or self._live[-1] is not _INBOX:
            self._live.append(_INBOX)
        self._news.set()

    def end(self, error: Exception | None = None) -> None:
        """After what is there; `error` is raised then."""
        self._ended, self._error = True, self._error or error
        self._news.set()

    async def events(self) -> AsyncIterator[Event]:
        """Raise what ended the client, ProfileDamaged for one."""
        while True:
            await self._confirm()
            self._news.clear()
            if self._rows:
                row = self._rows.popleft()
                if isinstance(row.entry, Message) and row.expected is not None:
                    yield _gap(row.entry, row.expected)
                self._given = row.row
                yield _event(row)
            elif self._live:
                event = self._live.popleft()
                if isinstance(event, _Inbox):
                    await self._load()
                else:
                    yield event
            elif self._ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                await self._news.wait()

    async def live(self) -> AsyncIterator[Event]:
        """What is live alone: messages and missed calls stay for a later reader."""
        while True:
            self._news.clear()
            if self._live:
                event = self._live.popleft()
                if not isinstance(event, _Inbox):
                    yield event
            elif self._ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                await self._news.wait()

    async def confirm(self) -> None:
        """The program has had the event that it got last."""
        await self._confirm()

    async def _confirm(self) -> None:
        row, self._given = self._given, None
        if row is not None and not self._store.closed:
            await self._store.run(lambda store: store.drop_inbox(row))
            self._on_room()

    async def _load(self) -> None:
        if self._store.closed:
            return
        after = self._last_row
        rows = await self._store.run(lambda store: store.inbox(after, LOAD_ROWS))
        self._rows.extend(rows)
        if rows:
            self._last_row = rows[-1].row
        if len(rows) == LOAD_ROWS:
            self._live.appendleft(_INBOX)


def _gap(message: Message, expected: int) -> Gap:
    return Gap(message.sender, message.conversation, expected, message.sequence)


def _event(row: InboxRow) -> Event:
    entry = row.entry
    if isinstance(entry, Message):
        return MessageReceived(
            id=entry.id,
            conversation=entry.conversation,
            sender=entry.sender,
            sequence=entry.sequence,
            sent_at=entry.sent_at,
            content=decode_content(entry.content_type, entry.body),
        )
    assert isinstance(entry, CallEvent), "the inbox holds messages and missed calls"
    return CallMissed(entry.call, entry.caller, entry.at)
