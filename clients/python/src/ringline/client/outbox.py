"""What waits to be sent: one lane per conversation, in order, several messages under way at once.

A refusal stops its lane. When all that was under way there is answered, the refused message of the
lowest number is dealt with and the lane goes on from there (go back N); the others of the lane were
refused for its sake (`sequence`), or were repeats. Sans-IO: answers and `now` in, effects out; the
lane waits until the effect's outcome is told.

The numbers. A lane's messages carry consecutive sequence numbers, given by the store. The server may
expect another one (a profile restored from a copy, a server restored from a backup): its number is
adopted, but only for the head of the lane as the store has it, whose id the server has said twice that
it does not know while expecting the same number, and at most `ADOPTIONS_MAX` times for one message.
The first time the lane is only read again: another process of this profile may have written to it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ringline.client.store import OutboxMessage
from ringline.protocol.problems import Problem, ProblemType

LANE_IN_FLIGHT_MAX: Final = 16
REPAIRS_MAX: Final = 8
"""Of one message's device lists."""
ADOPTIONS_MAX: Final = 3
LIFETIME_MS: Final = 7 * 24 * 3600 * 1000
RATE_WAIT_MS: Final = 1_000
WORLD_WAIT_FIRST_MS: Final = 500
WORLD_WAIT_MAX_MS: Final = 30_000
HOLD_JITTER_MS: Final = 250


@dataclass(frozen=True, slots=True)
class LearnDevices:
    """Ask for these accounts' device lists; then `devices_known` or `devices_unknown`."""

    conversation: UUID
    accounts: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the lane from the store; then `reloaded`. `adopt`: first give this number to `head`, and
    the following ones to what follows, if `head` is still the first."""

    conversation: UUID
    head: UUID
    adopt: int | None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This message is refused for good: take it out, close the gap it leaves; then `reloaded`."""

    message: OutboxMessage
    problem: Problem


Effect = LearnDevices | Reload | GiveUp


@dataclass
class _Lane:
    queue: deque[OutboxMessage] = field(default_factory=deque)
    in_flight: set[UUID] = field(default_factory=set)
    complaint: tuple[OutboxMessage, Problem] | None = None
    busy: bool = False
    """An effect is under way."""
    hold_until: int = 0
    waits: int = 0
    repairs: dict[UUID, int] = field(default_factory=dict)
    adoptions: dict[UUID, int] = field(default_factory=dict)
    expected: tuple[UUID, int | None] | None = None
    """The head that was refused last for its number, and the number that was expected."""


class Outbox:
    """`uniform` gives numbers of [0, 1). `own` is this device's account."""

    def __init__(self, own: UUID, uniform: Callable[[], float]) -> None:
        self._own = own
        self._uniform = uniform
        self._lanes: dict[UUID, _Lane] = {}
        self._lists: set[UUID] = set()
        """Accounts whose device lists are known."""

    def __len__(self) -> int:
        return sum(len(lane.queue) for lane in self._lanes.values())

    @property
    def in_flight(self) -> int:
        return sum(len(lane.in_flight) for lane in self._lanes.values())

    def add(self, message: OutboxMessage) -> None:
        """As the store has numbered it. Harmless to repeat."""
        lane = self._lane(message.conversation)
        if all(known.id != message.id for known in reversed(lane.queue)):
            lane.queue.append(message)

    def _lane(self, conversation: UUID) -> _Lane:
        return self._lanes.setdefault(conversation, _Lane())

    def next(self, room: int, now: int) -> tuple[list[OutboxMessage], list[Effect]]:
        """What may go out now, at most `room`, and what must be done before more can."""
        sends: list[OutboxMessage] = []
        effects: list[Effect] = []
        for conversation, lane in list(self._lanes.items()):
            if now >= lane.hold_until:
                lane.hold_until = 0
            if not lane.queue and not lane.busy and not lane.in_flight:
                del self._lanes[conversation]
            elif not self._blocked(lane, now):
                effects += self._prepare(conversation, lane, now)
                if not lane.busy:
                    sends += self._take(lane, room - len(sends))
        return sends, effects

    def _blocked(self, lane: _Lane, now: int) -> bool:
        return lane.busy or lane.complaint is not None or now < lane.hold_until or not lane.queue

    def _prepare(self, conversation: UUID, lane: _Lane, now: int) -> list[Effect]:
        head = lane.queue[0]
        if not lane.in_flight and now - head.created_at > LIFETIME_MS:
            lane.busy = True
            return [GiveUp(head, ProblemType.UNAVAILABLE.describe("not sent within 7 days"))]
        unknown = tuple(a for a in dict.fromkeys((conversation, self._own)) if a not in self._lists)
        if not unknown:
            return []
        lane.busy = True
        return [LearnDevices(conversation, unknown)]

    def _take(self, lane: _Lane, room: int) -> list[OutboxMessage]:
        room = min(room, LANE_IN_FLIGHT_MAX - len(lane.in_flight))
        waiting = [message for message in lane.queue if message.id not in lane.in_flight]
        taken = waiting[: max(0, room)]
        lane.in_flight.update(message.id for message in taken)
        return taken

    # Answers.

    def sent(self, message: OutboxMessage, now: int) -> list[Effect]:
        """The server has it. Harmless to repeat."""
        lane = self._lane(message.conversation)
        lane.in_flight.discard(message.id)
        lane.queue = deque(m for m in lane.queue if m.id != message.id)
        lane.waits = 0
        lane.repairs.pop(message.id, None)
        lane.adoptions.pop(message.id, None)
        return self._resolve(message.conversation, lane, now)

    def refused(self, message: OutboxMessage, problem: Problem, now: int) -> list[Effect]:
        lane = self._lane(message.conversation)
        lane.in_flight.discard(message.id)
        if lane.complaint is None or message.sequence < lane.complaint[0].sequence:
            lane.complaint = (message, problem)
        return self._resolve(message.conversation, lane, now)

    def lost(self, message: OutboxMessage, now: int) -> list[Effect]:
        """No answer came: it goes out again, with the same id."""
        lane = self._lane(message.conversation)
        lane.in_flight.discard(message.id)
        return self._resolve(message.conversation, lane, now)

    def _resolve(self, conversation: UUID, lane: _Lane, now: int) -> list[Effect]:
        if lane.complaint is None or lane.in_flight or lane.busy:
            return []
        message, problem = lane.complaint
        lane.complaint = None
        if problem.type == ProblemType.DEVICES_DIFFER.uri:
            return self._repair(conversation, lane, message, problem)
        if problem.type == ProblemType.SEQUENCE.uri:
            return self._adopt(conversation, lane, message, problem)
        if problem.type == ProblemType.UNAUTHENTICATED.uri:
            lane.hold_until = now + self._jittered(RATE_WAIT_MS)
            return []
        if problem.status == 429 or problem.status >= 500:
            lane.hold_until = now + self._jittered(_wait_ms(lane, problem))
            lane.waits += 1
            return []
        return self._give_up(lane, message, problem)

    def _repair(
        self, conversation: UUID, lane: _Lane, message: OutboxMessage, problem: Problem
    ) -> list[Effect]:
        lane.repairs[message.id] = lane.repairs.get(message.id, 0) + 1
        if lane.repairs[message.id] > REPAIRS_MAX:
            return self._give_up(lane, message, problem)
        named = tuple(difference.account for difference in problem.devices or ())
        lane.busy = True
        return [LearnDevices(conversation, named or (conversation, self._own))]

    def _adopt(
        self, conversation: UUID, lane: _Lane, message: OutboxMessage, problem: Problem
    ) -> list[Effect]:
        is_head = bool(lane.queue) and lane.queue[0].id == message.id
        complaint = (message.id, problem.expected_sequence)
        again, lane.expected = lane.expected == complaint, complaint if is_head else None
        lane.busy = True
        if not is_head or not again:
            return [Reload(conversation, message.id, None)]
        lane.adoptions[message.id] = lane.adoptions.get(message.id, 0) + 1
        if lane.adoptions[message.id] > ADOPTIONS_MAX:
            return self._give_up(lane, message, problem)
        return [Reload(conversation, message.id, problem.expected_sequence)]

    def _give_up(self, lane: _Lane, message: OutboxMessage, problem: Problem) -> list[Effect]:
        lane.busy = True
        lane.repairs.pop(message.id, None)
        lane.adoptions.pop(message.id, None)
        return [GiveUp(message, problem)]

    def _jittered(self, wait_ms: int) -> int:
        return wait_ms + int(self._uniform() * HOLD_JITTER_MS)

    # Outcomes of effects.

    def devices_known(self, conversation: UUID, accounts: Sequence[UUID]) -> None:
        self._lists.update(accounts)
        lane = self._lane(conversation)
        lane.busy, lane.waits = False, 0

    def devices_unknown(
        self, conversation: UUID, problem: Problem | None, now: int
    ) -> list[Effect]:
        """`problem` None: the server could not be asked."""
        lane = self._lane(conversation)
        lane.busy = False
        if problem is None or problem.status in (401, 429) or problem.status >= 500:
            lane.hold_until = now + self._jittered(_wait_ms(lane, problem))
            lane.waits += 1
            return []
        return self._give_up(lane, lane.queue[0], problem) if lane.queue else []

    def reloaded(self, conversation: UUID, messages: Sequence[OutboxMessage]) -> None:
        """The lane as the store has it."""
        lane = self._lane(conversation)
        lane.queue = deque(messages)
        lane.busy = False

    @property
    def deadline(self) -> int | None:
        """When a held lane may go on."""
        held = [lane.hold_until for lane in self._lanes.values() if lane.queue and not lane.busy]
        return min((until for until in held if until), default=None)


def _wait_ms(lane: _Lane, problem: Problem | None) -> int:
    if problem is not None and problem.retry_after_s is not None:
        return problem.retry_after_s * 1000
    if problem is not None and problem.status == 429:
        return RATE_WAIT_MS
    return min(WORLD_WAIT_MAX_MS, WORLD_WAIT_FIRST_MS << min(lane.waits, 8))
