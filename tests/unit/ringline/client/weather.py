"""Rough weather in one thread: a sender, a gateway and a receiver on a clock of their own.

Everything random comes from one seed. Connections are cut, frames of a cut connection still arrive
late (after frames of the next one), answers and acknowledgements are lost, the gateway refuses for
the reasons that pass, device lists change, and both programs are killed and come back with what their
stores hold.
"""

import heapq
import itertools
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ringline.client import connection as core
from ringline.client.backoff import Backoff
from ringline.client.connection import Connection
from ringline.client.outbox import Effect, GiveUp, LearnDevices, Outbox, Reload
from ringline.client.store import OutboxMessage, keep_entries
from ringline.client.store_memory import MemoryStore
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import DeviceDifference, Problem, ProblemType
from ringline.protocol.types import Address, ContentType, DeviceBody, Recipient

ANN, BOB, EVE = (uuid.UUID(int=n) for n in (1, 2, 3))
TOKEN = "t" * 43
LIFETIME_MS = 30 * 60 * 1000


class Clock:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 1_000_000
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def after(self, wait_ms: float, act: Callable[[], None]) -> None:
        at = self.now + max(0, int(wait_ms))
        heapq.heappush(self._due, (at, next(self._count), act))

    def step(self) -> None:
        self.now, _, act = heapq.heappop(self._due)
        act()


@dataclass
class Gateway:
    """The promises of docs/protocol.md about sends and queues, in memory."""

    clock: Clock
    sent: dict[uuid.UUID, tuple[uuid.UUID, int]] = field(default_factory=dict)
    log: dict[uuid.UUID, list[uuid.UUID]] = field(default_factory=dict)
    queue: dict[int, frames.Message] = field(default_factory=dict)
    last_position: int = 0
    devices: int = 1
    """The registration id of everybody's one device: another number is another list."""
    trouble: float = 0.05

    def send(self, frame: frames.Send) -> frames.Sent | frames.Error:
        if (known := self.sent.get(frame.id)) is not None:
            same = known == (frame.conversation, frame.sequence)
            return self._sent(frame) if same else _error(frame, ProblemType.ID_REUSED.describe())
        if self.clock.random.random() < self.trouble:
            return _error(frame, self._trouble())
        expected = len(self.log.get(frame.conversation, [])) + 1
        if frame.sequence != expected:
            return _error(frame, ProblemType.SEQUENCE.describe(expected_sequence=expected))
        if frame.recipients[0].bodies[0].registration_id != self.devices:
            difference = DeviceDifference(frame.conversation, [], [], [1])
            return _error(frame, ProblemType.DEVICES_DIFFER.describe(devices=[difference]))
        self.sent[frame.id] = (frame.conversation, frame.sequence)
        self.log.setdefault(frame.conversation, []).append(frame.id)
        self._append(frame)
        return self._sent(frame)

    def _trouble(self) -> Problem:
        return self.clock.random.choice(
            [ProblemType.UNAVAILABLE.describe(), ProblemType.RATE_LIMITED.describe(retry_after_s=1)]
        )

    def _sent(self, frame: frames.Send) -> frames.Sent:
        return frames.Sent(ref=frame.ref, id=frame.id, sent_at=self.clock.now)

    def _append(self, frame: frames.Send) -> None:
        self.last_position += 1
        self.queue[self.last_position] = frames.Message(
            id=frame.id,
            conversation=frame.conversation,  # both conversations end at the one receiver here
            sender=Address(ANN, 1),
            sequence=frame.sequence,
            sent_at=self.clock.now,
            content_type=frame.content_type,
            body=frame.recipients[0].bodies[0].body,
        )


def _error(frame: frames.Send, problem: Problem) -> frames.Error:
    return frames.Error(ref=frame.ref, problem=problem)


class Wire:
    """One socket: in order both ways, until it is cut."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.alive = True
        self._up = self._down = clock.now
        self._late_until: int | None = None

    def up(self, act: Callable[[], None]) -> None:
        self._up = max(self._up, self._clock.now + self._clock.random.randint(1, 30))
        self._clock.after(self._up - self._clock.now, lambda: self._arrive(act))

    def _arrive(self, act: Callable[[], None]) -> None:
        # What was on its way when the connection was cut may still come, far too late.
        if self.alive or (self._late_until is not None and self._clock.now < self._late_until):
            act()

    def down(self, act: Callable[[], None]) -> None:
        self._down = max(self._down, self._clock.now + self._clock.random.randint(1, 30))
        self._clock.after(self._down - self._clock.now, lambda: act() if self.alive else None)

    def cut(self) -> None:
        if self.alive:
            self.alive = False
            self._late_until = self._clock.now + self._clock.random.choice([0, 20, 2_000])


class Program:
    """The part that both ends share: a `Connection`, its wire, its timer."""

    def __init__(self, clock: Clock, gateway: Gateway) -> None:
        self.clock = clock
        self.gateway = gateway
        self.store = MemoryStore()
        self.wire: Wire | None = None
        self.connection: Connection
        self.life = 0

    def begin(self) -> None:
        """A new process, with what the store holds."""
        self.life += 1
        if self.wire is not None:
            self.wire.cut()
        self.wire = None
        self.connection = Connection(Backoff(self.clock.random.random), self.store.position())
        self.feed(self.connection.start(self.clock.now))
        self._tick(self.life)

    def _tick(self, life: int) -> None:
        if life == self.life:
            self.feed(self.connection.tick(self.clock.now))
            self.clock.after(10, partial(self._tick, life))

    def cut(self, code: CloseCode | None) -> None:
        wire, self.wire = self.wire, None
        if wire is not None and wire.alive:
            wire.cut()
            self.feed(self.connection.closed(code, self.clock.now))

    def feed(self, actions: list[core.Action]) -> None:
        for action in actions:
            match action:
                case core.BuyToken():
                    self.feed(self.connection.token_bought(TOKEN, LIFETIME_MS, self.clock.now))
                case core.Open():
                    self.clock.after(
                        self.clock.random.randint(1, 50), partial(self._open, self.life)
                    )
                case core.Transmit(frame):
                    self._transmit(frame)
                case core.Shut():
                    if self.wire is not None:
                        self.wire.cut()
                    self.wire = None
                case core.Answered(ref, answer):
                    self.answered(ref, answer)
                case core.Arrived(frame):
                    self.arrived(frame)
                case core.BecameReady():
                    self.ready()
                case core.Stopped():
                    raise AssertionError("nothing here ends for good")

    def _open(self, life: int) -> None:
        if life == self.life:
            self.wire = Wire(self.clock)
            self.feed(self.connection.opened(self.clock.now))

    def _transmit(self, frame: frames.AnyClientFrame) -> None:
        if self.wire is not None:
            self.wire.up(partial(self.serve, self.wire, frame))

    def answer(self, wire: Wire, frame: frames.AnyServerFrame) -> None:
        wire.down(lambda: self.feed(self.connection.received(frame, self.clock.now)))

    def log_in(self, wire: Wire, frame: frames.Authenticate) -> None:
        now = self.clock.now
        self.answer(
            wire,
            frames.Ready(
                ref=frame.ref,
                account=ANN,
                device=1,
                session="s",
                time=now,
                token_expires_at=now + LIFETIME_MS,
                heartbeat_s=25,
                window=64,
                backlog=0,
            ),
        )

    def serve(self, wire: Wire, frame: frames.AnyClientFrame) -> None:
        raise NotImplementedError

    def answered(self, ref: int, answer: frames.AnyServerFrame | None) -> None:
        """Of a request."""

    def arrived(self, frame: object) -> None:
        """Live."""

    def ready(self) -> None:
        """Logged in."""


class SendingProgram(Program):
    def __init__(self, clock: Clock, gateway: Gateway) -> None:
        super().__init__(clock, gateway)
        self.told_sent: list[uuid.UUID] = []
        self.given_up: list[uuid.UUID] = []

    def begin(self) -> None:
        self.outbox = Outbox(ANN, self.clock.random.random)
        self.list_id = 0
        self.asked: dict[int, OutboxMessage] = {}
        for message in self.store.outbox():
            self.outbox.add(message)
        super().begin()
        self._pump_forever(self.life)

    def _pump_forever(self, life: int) -> None:
        if life == self.life:
            self.pump()
            self.clock.after(15, partial(self._pump_forever, life))

    def write(self, message: uuid.UUID, conversation: uuid.UUID) -> None:
        kept = self.store.enqueue(
            message, conversation, ContentType.UNSEALED, message.bytes, self.clock.now
        )
        # A crash may fall right here: it is in the store, and nowhere else.
        if self.clock.random.random() < 0.02:
            self.begin()
        else:
            self.outbox.add(kept)

    def pump(self) -> None:
        sends, effects = self.outbox.next(self.connection.room, self.clock.now)
        for message in sends:
            frame = frames.Send(
                id=message.id,
                conversation=message.conversation,
                sequence=message.sequence,
                content_type=message.content_type,
                recipients=[
                    Recipient(message.conversation, [DeviceBody(1, self.list_id, message.body)])
                ],
            )
            ref, actions = self.connection.request(frame, self.clock.now)
            self.asked[ref] = message
            self.feed(actions)
        self.perform(effects)

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.clock.after(self.clock.random.randint(1, 40), partial(self._do, effect, self.life))

    def _do(self, effect: Effect, life: int) -> None:
        if life != self.life:
            return
        match effect:
            case LearnDevices(conversation, accounts):
                if self.clock.random.random() < 0.2:
                    self.perform(self.outbox.devices_unknown(conversation, None, self.clock.now))
                else:
                    self.list_id = self.gateway.devices
                    self.outbox.devices_known(conversation, accounts)
            case Reload(conversation, head, adopt):
                rows = self.store.outbox(conversation)
                if adopt is not None and rows and rows[0].id == head:
                    self.store.renumber(conversation, adopt)
                self.outbox.reloaded(conversation, self.store.outbox(conversation))
            case GiveUp(message):
                self.store.give_up(message.id)
                self.given_up.append(message.id)
                conversation = message.conversation
                self.outbox.reloaded(conversation, self.store.outbox(conversation))

    def serve(self, wire: Wire, frame: frames.AnyClientFrame) -> None:
        if isinstance(frame, frames.Authenticate):
            self.log_in(wire, frame)
        elif isinstance(frame, frames.Send):
            self.answer(wire, self.gateway.send(frame))
        elif isinstance(frame, frames.Ping):
            self.answer(wire, frames.Pong(ref=frame.ref))

    def answered(self, ref: int, answer: frames.AnyServerFrame | None) -> None:
        message = self.asked.pop(ref)
        now = self.clock.now
        if isinstance(answer, frames.Sent):
            self.store.settle(answer.id, answer.sent_at)
            self.told_sent.append(answer.id)
            self.perform(self.outbox.sent(message, now))
        elif isinstance(answer, frames.Error):
            self.perform(self.outbox.refused(message, answer.problem, now))
        else:
            self.perform(self.outbox.lost(message, now))


class ReceivingProgram(Program):
    def __init__(self, clock: Clock, gateway: Gateway) -> None:
        super().__init__(clock, gateway)
        self.shown: list[frames.Message] = []
        self.gaps = 0

    def begin(self) -> None:
        self.delivered_to = 0
        super().begin()
        self._deliver_forever(self.life)

    def serve(self, wire: Wire, frame: frames.AnyClientFrame) -> None:
        if isinstance(frame, frames.Authenticate):
            for position in list(self.gateway.queue):
                if frame.resume_after is not None and position <= frame.resume_after:
                    del self.gateway.queue[position]
            self.delivered_to = 0
            self.log_in(wire, frame)
        elif isinstance(frame, frames.Acknowledge):
            for position in frame.positions:
                self.gateway.queue.pop(position, None)
            self.answer(wire, frames.Done(ref=frame.ref))

    def _deliver_forever(self, life: int) -> None:
        if life != self.life:
            return
        if self.wire is not None and self.connection.phase is core.Phase.READY:
            for position, entry in list(self.gateway.queue.items())[:64]:
                if position > self.delivered_to:
                    self.delivered_to = position
                    self.answer(self.wire, frames.Deliver(position=position, entry=entry))
        self.clock.after(20, partial(self._deliver_forever, life))

    def arrived(self, frame: object) -> None:
        if not isinstance(frame, frames.Deliver):
            return
        # Sometimes it does not say up to where it has kept everything: then all comes again.
        position = frame.position if self.clock.random.random() < 0.5 else None
        kept = keep_entries(self.store, BOB, [frame], position)
        if position is not None:
            self.connection.resume_after = position
        if self.clock.random.random() < 0.03:
            self.begin()  # kept, and not acknowledged
            return
        self.feed(self.connection.acknowledge([frame.position], self.clock.now))
        assert len(kept) <= 1
        self.show()

    def show(self) -> None:
        for row in self.store.inbox(0, 1_000):
            assert isinstance(row.entry, frames.Message)
            self.shown.append(row.entry)
            self.gaps += row.expected is not None
            self.store.drop_inbox(row.row)
