"""Takes deliveries: into the store, then acknowledged, then to whom they concern."""

import asyncio
from collections import deque
from typing import Protocol
from uuid import UUID

from ringline.client.errors import RinglineError
from ringline.client.net.link import Link
from ringline.client.net.store_thread import StoreThread
from ringline.client.store import INBOX_ENTRIES_MAX, Store, keep_entries
from ringline.protocol import limits
from ringline.protocol.frames import AnyEntry, CallEvent, Deliver
from ringline.protocol.types import CallKind


class Home(Protocol):
    """Who is told what has been kept."""

    def entry(self, entry: AnyEntry) -> None:
        """Something new."""
        ...

    def caught_up(self) -> None: ...

    def broken(self, error: Exception) -> None:
        """The store failed: nothing goes on."""
        ...


class Receiver:
    """`take_calls` False: invites stay in the queue, for another program of this device to answer.

    Acknowledged is what the store has committed. While the inbox is full nothing is taken, and the
    server's delivery window holds the rest back.
    """

    def __init__(
        self,
        store: StoreThread,
        own: UUID,
        *,
        take_calls: bool,
    ) -> None:
        self._store = store
        self._own = own
        self._take_calls = take_calls
        self._pending: deque[Deliver] = deque()
        self._news = asyncio.Event()
        self._caught_up = False
        self._left_out = False
        """Something before what comes now was not kept: do not resume behind it."""
        self._task: asyncio.Task[None] | None = None

    def start(self, link: Link, home: Home) -> None:
        self._task = asyncio.create_task(self._run(link, home))

    def connected(self) -> None:
        """What was not kept by now comes again."""
        self._pending.clear()
        self._left_out = self._caught_up = False

    def arrived(self, delivery: Deliver) -> None:
        self._pending.append(delivery)
        self._news.set()

    def caught_up(self) -> None:
        """To be told when what came before it is kept."""
        self._caught_up = True
        self._news.set()

    def leave_out(self) -> None:
        """A delivery that cannot be read here."""
        self._left_out = True

    def roomier(self) -> None:
        self._news.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, link: Link, home: Home) -> None:
        try:
            while True:
                self._news.clear()
                while batch := self._batch():
                    if not await self._keep(link, home, batch):
                        self._pending.extendleft(reversed(batch))
                        break
                if self._caught_up and not self._pending:
                    self._caught_up = False
                    home.caught_up()
                await self._news.wait()
        except RinglineError as error:
            home.broken(error)

    def _batch(self) -> list[Deliver]:
        size = min(len(self._pending), limits.DELIVERY_WINDOW_ENTRIES_MAX)
        return [self._pending.popleft() for _ in range(size)]

    async def _keep(self, link: Link, home: Home, batch: list[Deliver]) -> bool:
        """False: there is no room for it now."""
        taken = [delivery for delivery in batch if self._takes(delivery)]
        if len(taken) < len(batch):
            self._left_out = True
        if not taken:
            return True
        # Before the first that was left out nothing is lost; behind it, resuming would lose it.
        position = None if self._left_out else taken[-1].position

        def work(store: Store) -> list[AnyEntry] | None:
            if store.inbox_size() + len(taken) > INBOX_ENTRIES_MAX:
                return None
            return keep_entries(store, self._own, taken, position)

        kept = await self._store.run(work)
        if kept is None:
            return False
        if position is not None:
            link.connection.resume_after = position
        link.acknowledge([delivery.position for delivery in taken])
        for entry in kept:
            home.entry(entry)
        return True

    def _takes(self, delivery: Deliver) -> bool:
        entry = delivery.entry
        ringing = isinstance(entry, CallEvent) and entry.kind is CallKind.INVITE
        return self._take_calls or not ringing
