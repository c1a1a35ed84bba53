"""The outbox step by step, then the outbox and the connection together in rough weather."""

import uuid

import msgspec
import pytest

from ringline.client.outbox import (
    ADOPTIONS_MAX,
    LANE_IN_FLIGHT_MAX,
    LIFETIME_MS,
    REPAIRS_MAX,
    Effect,
    GiveUp,
    LearnDevices,
    Outbox,
    Reload,
)
from ringline.client.store import OutboxMessage
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import DeviceDifference, Problem, ProblemType
from ringline.protocol.types import ContentType
from tests.unit.ringline.client.weather import (
    ANN,
    BOB,
    EVE,
    Clock,
    Gateway,
    ReceivingProgram,
    SendingProgram,
)

NOW = 1_000_000


def message(sequence: int, conversation: uuid.UUID = BOB) -> OutboxMessage:
    return OutboxMessage(
        id=uuid.UUID(int=conversation.int * 1_000 + sequence),
        conversation=conversation,
        sequence=sequence,
        content_type=ContentType.UNSEALED,
        body=b"x",
        created_at=NOW,
    )


def new(*messages: OutboxMessage) -> Outbox:
    """With all device lists known."""
    outbox = Outbox(ANN, lambda: 0.0)
    for each in messages:
        outbox.add(each)
    outbox.devices_known(BOB, [ANN, BOB, EVE])
    return outbox


def sends(outbox: Outbox, room: int = 64, now: int = NOW) -> list[int]:
    messages, effects = outbox.next(room, now)
    assert effects == []
    return [m.sequence for m in messages]


def sequence_problem(expected: int) -> Problem:
    return ProblemType.SEQUENCE.describe(expected_sequence=expected)


def test_lists_are_learnt_before_the_first_send() -> None:
    outbox = Outbox(ANN, lambda: 0.0)
    outbox.add(message(1))
    assert outbox.next(64, NOW) == ([], [LearnDevices(BOB, (BOB, ANN))])
    assert outbox.next(64, NOW) == ([], [])
    outbox.devices_known(BOB, [BOB, ANN])
    assert sends(outbox) == [1]


def test_a_note_to_oneself_needs_one_list() -> None:
    outbox = Outbox(ANN, lambda: 0.0)
    outbox.add(message(1, ANN))
    assert outbox.next(64, NOW) == ([], [LearnDevices(ANN, (ANN,))])


def test_sends_go_in_order_within_the_room() -> None:
    outbox = new(*(message(n) for n in range(1, 6)))
    assert sends(outbox, room=2) == [1, 2]
    assert sends(outbox, room=2) == [3, 4]
    assert sends(outbox, room=0) == []
    assert sends(outbox) == [5]
    assert sends(outbox) == []


def test_a_lane_takes_not_all_of_the_room() -> None:
    outbox = new(*(message(n) for n in range(1, 40)), message(1, EVE))
    assert len(sends(outbox, room=100)) == LANE_IN_FLIGHT_MAX + 1
    assert outbox.in_flight == LANE_IN_FLIGHT_MAX + 1


def test_adding_twice_is_harmless() -> None:
    outbox = new(message(1), message(1))
    assert len(outbox) == 1


def test_sent_messages_leave() -> None:
    outbox = new(message(1), message(2))
    sends(outbox)
    assert outbox.sent(message(1), NOW) == outbox.sent(message(1), NOW) == []
    assert outbox.sent(message(2), NOW) == []
    assert len(outbox) == 0
    assert sends(outbox) == []


def test_lost_messages_go_again() -> None:
    outbox = new(message(1), message(2))
    sends(outbox)
    outbox.lost(message(1), NOW)
    outbox.lost(message(2), NOW)
    assert sends(outbox) == [1, 2]


def test_a_refusal_waits_for_all_then_the_lane_goes_back() -> None:
    outbox = new(message(1), message(2), message(3))
    sends(outbox)
    differs = ProblemType.DEVICES_DIFFER.describe(devices=[DeviceDifference(EVE, [2], [], [])])
    assert outbox.refused(message(1), differs, NOW) == []
    assert sends(outbox) == []
    assert outbox.refused(message(2), sequence_problem(1), NOW) == []
    assert outbox.refused(message(3), sequence_problem(1), NOW) == [LearnDevices(BOB, (EVE,))]
    assert sends(outbox) == []
    outbox.devices_known(BOB, [EVE])
    assert sends(outbox) == [1, 2, 3]


def test_lists_are_not_repaired_for_ever() -> None:
    outbox = new(message(1))
    differs = ProblemType.DEVICES_DIFFER.describe(devices=[DeviceDifference(BOB, [2], [], [])])
    for _ in range(REPAIRS_MAX):
        sends(outbox)
        assert outbox.refused(message(1), differs, NOW) == [LearnDevices(BOB, (BOB,))]
        outbox.devices_known(BOB, [BOB])
    sends(outbox)
    assert outbox.refused(message(1), differs, NOW) == [GiveUp(message(1), differs)]


def test_a_number_is_adopted_for_the_head_alone() -> None:
    outbox = new(message(5), message(6))
    sends(outbox)
    outbox.sent(message(5), NOW)
    for adopt in (None, 9):
        effects = outbox.refused(message(6), sequence_problem(9), NOW)
        assert effects == [Reload(BOB, message(6).id, adopt)], "the second time"
        outbox.reloaded(BOB, [message(6)])
        sends(outbox)
    outbox.lost(message(6), NOW)
    moved = msgspec.structs.replace(message(6), sequence=9)
    outbox.reloaded(BOB, [moved])
    assert sends(outbox) == [9]


def test_a_number_that_moves_is_not_adopted() -> None:
    outbox = new(message(5))
    for expected in (2, 3, 4):
        sends(outbox)
        effects = outbox.refused(message(5), sequence_problem(expected), NOW)
        assert effects == [Reload(BOB, message(5).id, None)], "somebody else is sending"
        outbox.reloaded(BOB, [message(5)])


def test_another_than_the_head_only_reloads() -> None:
    outbox = new(message(5), message(6))
    sends(outbox)
    outbox.lost(message(5), NOW)
    assert outbox.refused(message(6), sequence_problem(5), NOW) == [
        Reload(BOB, message(6).id, None)
    ]


def test_numbers_are_not_adopted_for_ever() -> None:
    outbox = new(message(1))
    effects: list[Effect] = []
    for _ in range(ADOPTIONS_MAX + 2):
        sends(outbox)
        effects += outbox.refused(message(1), sequence_problem(9), NOW)
        outbox.reloaded(BOB, [message(1)])
    assert [type(effect) for effect in effects] == [Reload] * (ADOPTIONS_MAX + 1) + [GiveUp]


@pytest.mark.parametrize(
    ("problem", "wait_ms"),
    [
        (ProblemType.RATE_LIMITED.describe(retry_after_s=7), 7_000),
        (ProblemType.RATE_LIMITED.describe(), 1_000),
        (ProblemType.UNAVAILABLE.describe(), 500),
        (ProblemType.STORAGE_FULL.describe(), 500),
        (ProblemType.INTERNAL.describe(), 500),
        (ProblemType.UNAUTHENTICATED.describe(), 1_000),
    ],
)
def test_what_passes_is_waited_for(problem: Problem, wait_ms: int) -> None:
    outbox = new(message(1))
    sends(outbox)
    assert outbox.refused(message(1), problem, NOW) == []
    assert outbox.deadline == NOW + wait_ms
    assert sends(outbox, now=NOW + wait_ms - 1) == []
    assert sends(outbox, now=NOW + wait_ms) == [1]
    assert outbox.deadline is None


def test_the_world_is_waited_for_ever_longer() -> None:
    outbox, now, waits = new(message(1)), NOW, []
    for _ in range(9):
        sends(outbox, now=now)
        outbox.refused(message(1), ProblemType.UNAVAILABLE.describe(), now)
        assert outbox.deadline is not None
        waits.append(outbox.deadline - now)
        now = outbox.deadline
    assert waits[:3] == [500, 1_000, 2_000]
    assert waits[-1] == 30_000


@pytest.mark.parametrize(
    "problem",
    [
        ProblemType.NOT_FOUND.describe(),
        ProblemType.TOO_LARGE.describe(),
        ProblemType.UNSEALED_REFUSED.describe(),
        ProblemType.ID_REUSED.describe(),
    ],
)
def test_what_does_not_pass_is_given_up(problem: Problem) -> None:
    outbox = new(message(1), message(2))
    sends(outbox)
    assert outbox.refused(message(1), problem, NOW) == []
    effects = outbox.refused(message(2), sequence_problem(1), NOW)
    assert effects == [GiveUp(message(1), problem)]
    outbox.reloaded(BOB, [message(1)])
    assert sends(outbox) == [1]


def test_other_lanes_go_on() -> None:
    outbox = new(message(1), message(1, EVE))
    sends(outbox)
    outbox.refused(message(1), ProblemType.UNAVAILABLE.describe(), NOW)
    outbox.sent(message(1, EVE), NOW)
    outbox.add(message(2, EVE))
    assert sends(outbox) == [2]


def test_lists_that_cannot_be_had() -> None:
    outbox = Outbox(ANN, lambda: 0.0)
    outbox.add(message(1))
    outbox.next(64, NOW)
    assert outbox.devices_unknown(BOB, None, NOW) == []
    assert sends(outbox, now=NOW + 1) == []
    outbox.next(64, NOW + 500)
    gone = ProblemType.NOT_FOUND.describe()
    assert outbox.devices_unknown(BOB, gone, NOW + 500) == [GiveUp(message(1), gone)]


def test_a_message_is_not_tried_for_ever() -> None:
    outbox = new(message(1))
    assert sends(outbox, room=0, now=NOW + LIFETIME_MS) == []
    _, [effect] = outbox.next(64, NOW + LIFETIME_MS + 1)
    assert isinstance(effect, GiveUp)


@pytest.mark.parametrize("seed", range(60))
def test_rough_weather_loses_nothing_and_keeps_order(seed: int) -> None:
    clock = Clock(seed)
    gateway = Gateway(clock)
    ann, bob = SendingProgram(clock, gateway), ReceivingProgram(clock, gateway)
    ann.begin()
    bob.begin()
    written: dict[uuid.UUID, list[uuid.UUID]] = {BOB: [], EVE: []}

    def write() -> None:
        if sum(map(len, written.values())) < 120:
            conversation = clock.random.choice([BOB, EVE])
            one = uuid.UUID(int=clock.random.getrandbits(128))
            written[conversation].append(one)
            ann.write(one, conversation)
            clock.after(clock.random.randint(1, 120), write)

    def storm() -> None:
        if clock.now < 1_000_000 + 20_000:
            victim = clock.random.choice([ann, bob])
            match clock.random.randint(0, 4):
                case 0:
                    victim.begin()
                case 1:
                    gateway.devices += 1
                case _:
                    code = clock.random.choice(
                        [None, CloseCode.GOING_AWAY, CloseCode.SLOW_CONSUMER]
                    )
                    victim.cut(code)
            clock.after(clock.random.randint(50, 1_500), storm)

    write()
    storm()
    total = 120
    while clock.now < 1_000_000 + 600_000:
        clock.step()
        if len(bob.shown) >= total and ann.store.outbox_size() == 0:
            break
    bob.show()
    for conversation, ids in written.items():
        assert gateway.log.get(conversation, []) == ids, "committed in the order of writing"
        shown = [m.id for m in bob.shown if m.conversation == conversation]
        assert shown == ids, "shown once, in order"
    assert ann.given_up == []
    assert set(ann.told_sent) <= {one for ids in written.values() for one in ids}
    assert ann.store.outbox_size() == 0
    assert bob.gaps == 0


def test_the_weather_is_rough() -> None:
    """The simulation does what it says: repeats, late frames and refusals really happen."""
    repeats = refusals = 0
    for seed in range(5):
        clock = Clock(seed)
        gateway = Gateway(clock)
        ann = SendingProgram(clock, gateway)
        ann.begin()
        answers: list[object] = []
        send = gateway.send

        def counted(frame: object, send: object = send, answers: list[object] = answers) -> object:
            answer = send(frame)  # type: ignore[operator]
            answers.append(answer)
            return answer

        gateway.send = counted  # type: ignore[method-assign, assignment]
        for n in range(60):
            ann.write(uuid.UUID(int=n + 1), BOB)
        while clock.now < 1_000_000 + 15_000:
            clock.step()
            if clock.random.random() < 0.01:
                ann.cut(None)
        names = [type(answer).__name__ for answer in answers]
        refusals += names.count("Error")
        repeats += names.count("Sent") - len(gateway.sent)
    assert repeats > 0
    assert refusals > 0


def test_a_profile_put_back_from_a_copy_adopts_the_servers_number() -> None:
    clock = Clock(1)
    gateway = Gateway(clock, trouble=0)
    ann = SendingProgram(clock, gateway)
    ann.begin()
    gateway.log[BOB] = [uuid.UUID(int=9_000 + n) for n in range(7)]
    for n in range(3):
        ann.write(uuid.UUID(int=n + 1), BOB)
    while ann.store.outbox_size():
        clock.step()
    assert [one.int for one in gateway.log[BOB][7:]] == [1, 2, 3]
    assert ann.store.enqueue(uuid.UUID(int=5), BOB, ContentType.UNSEALED, b"x", 0).sequence == 11
