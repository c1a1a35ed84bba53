"""Carries out what `client.outbox` decides: frames, device lists, the store."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol
from uuid import UUID

from ringline.client.errors import Refused, RinglineError
from ringline.client.net.device_lists import DeviceLists
from ringline.client.net.link import OnAnswer
from ringline.client.net.store_thread import StoreThread
from ringline.client.outbox import Effect, GiveUp, LearnDevices, Outbox, Reload
from ringline.client.store import OutboxMessage, Store
from ringline.protocol.frames import AnyServerFrame, Error, Send, Sent
from ringline.protocol.problems import Problem
from ringline.protocol.types import ContentType

Work = Callable[[], Awaitable[None]]


class Way(Protocol):
    """To the server: `Link` or `RestLink`."""

    @property
    def room(self) -> int: ...

    def submit(self, frame: Send, on_answer: OnAnswer) -> None: ...


class Sender:
    """`clock` gives UTC milliseconds. `on_sent(id, sent_at)`, `on_failed(message, problem)` and
    `on_broken(error)` (the store failed: nothing goes on) are called on the loop."""

    def __init__(
        self,
        outbox: Outbox,
        way: Way,
        store: StoreThread,
        lists: DeviceLists,
        *,
        clock: Callable[[], int],
        on_sent: Callable[[UUID, int], None],
        on_failed: Callable[[OutboxMessage, Problem], None],
        on_broken: Callable[[Exception], None],
    ) -> None:
        self._outbox = outbox
        self._way = way
        self._store = store
        self._lists = lists
        self._clock = clock
        self._on_sent = on_sent
        self._on_failed = on_failed
        self._on_broken = on_broken
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: list[Sent] = []
        self._settling = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def load(self) -> None:
        """Take up what an earlier process left."""
        for message in await self._store.run(lambda store: store.outbox()):
            self._outbox.add(message)
        self.pump()

    async def send(
        self, message: UUID, conversation: UUID, content_type: ContentType, body: bytes
    ) -> OutboxMessage:
        """Kept when this returns; sent some time. Raise OutboxFull, ProfileDamaged."""
        now = self._clock()
        kept = await self._store.run(
            lambda store: store.enqueue(message, conversation, content_type, body, now)
        )
        self._outbox.add(kept)
        self.pump()
        return kept

    def pump(self) -> None:
        """Send what may go now. Call when there may be room again."""
        if self._closed:
            return
        sends, effects = self._outbox.next(self._way.room, self._clock())
        for message in sends:
            self._way.submit(self._frame(message), partial(self._answered, message))
        self._perform(effects)
        self._arm()

    def _frame(self, message: OutboxMessage) -> Send:
        return Send(
            id=message.id,
            conversation=message.conversation,
            sequence=message.sequence,
            content_type=message.content_type,
            recipients=self._lists.recipients(message.conversation, message.body),
        )

    def _answered(self, message: OutboxMessage, answer: AnyServerFrame | None) -> None:
        now = self._clock()
        if isinstance(answer, Sent):
            self._settled.append(answer)
            self._start(self._settle)
            self._perform(self._outbox.sent(message, now))
        elif isinstance(answer, Error):
            self._perform(self._outbox.refused(message, answer.problem, now))
        else:
            self._perform(self._outbox.lost(message, now))
        # Not from here: many answers come at once when a connection ends.
        asyncio.get_running_loop().call_soon(self.pump)

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case LearnDevices():
                    self._start(partial(self._learn, effect))
                case Reload():
                    self._start(partial(self._reload, effect))
                case GiveUp():
                    self._start(partial(self._give_up, effect))

    def _start(self, work: Work) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Work) -> None:
        try:
            await work()
        except RinglineError as error:
            self._on_broken(error)
        else:
            self.pump()

    async def _settle(self) -> None:
        """As many at once as have come by then: one transaction, one flush of the disk."""
        if self._settling:
            return
        self._settling = True
        try:
            while self._settled:
                batch, self._settled = self._settled, []
                await self._store.run(partial(_settle, batch))
                for sent in batch:
                    self._on_sent(sent.id, sent.sent_at)
        finally:
            self._settling = False

    async def _learn(self, effect: LearnDevices) -> None:
        try:
            for account in effect.accounts:
                await self._lists.learn(account)
        except RinglineError as error:
            problem = error.problem if isinstance(error, Refused) else None
            now = self._clock()
            self._perform(self._outbox.devices_unknown(effect.conversation, problem, now))
        else:
            self._outbox.devices_known(effect.conversation, effect.accounts)

    async def _reload(self, effect: Reload) -> None:
        rows = await self._store.run(partial(_reload, effect))
        self._outbox.reloaded(effect.conversation, rows)

    async def _give_up(self, effect: GiveUp) -> None:
        rows = await self._store.run(partial(_give_up, effect.message))
        self._outbox.reloaded(effect.message.conversation, rows)
        self._on_failed(effect.message, effect.problem)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._outbox.deadline
        if deadline is not None:
            wait_s = max(0, deadline - self._clock()) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.pump)

    async def close(self) -> None:
        """What is not sent stays in the store."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _settle(batch: list[Sent], store: Store) -> None:
    with store.transaction():
        for sent in batch:
            store.settle(sent.id, sent.sent_at)


def _reload(effect: Reload, store: Store) -> list[OutboxMessage]:
    """Another process of this profile may have changed the lane meanwhile: look before renumbering."""
    with store.transaction():
        rows = store.outbox(effect.conversation)
        if effect.adopt is not None and rows and rows[0].id == effect.head:
            store.renumber(effect.conversation, effect.adopt)
            rows = store.outbox(effect.conversation)
        return rows


def _give_up(message: OutboxMessage, store: Store) -> list[OutboxMessage]:
    with store.transaction():
        store.give_up(message.id)
        return store.outbox(message.conversation)
