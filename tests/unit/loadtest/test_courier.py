"""A courier's books: same id and sequence until answered, shown once, in order."""

from uuid import UUID

import pytest

from loadtest.courier import Answered, Courier, Device, Refused, Showed
from ringline.protocol import frames
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.types import Address, ContentType, ReceiptKind

ME = Device(Address(UUID(int=1), 1), 11, "c" * 43)
PEER = Device(Address(UUID(int=2), 1), 22, "d" * 43)
TOKEN = "t" * 43


def connect(courier: Courier, *, resume: bool = True) -> frames.Authenticate:
    opening = courier.opening(TOKEN, resume=resume)
    courier.receive(
        frames.Ready(
            ref=0,
            account=ME.address.account,
            device=1,
            session="s",
            time=0,
            token_expires_at=0,
            heartbeat_s=25,
            window=64,
            backlog=0,
        )
    )
    return opening


def compose(courier: Courier, number: int) -> frames.Send:
    account = PEER.address.account
    return courier.compose(UUID(int=100 + number), account, [PEER.as_recipient(b"x")])


def taken_sends(courier: Courier) -> list[frames.Send]:
    taken = [frame for frame in courier.take() if isinstance(frame, frames.Send)]
    for frame in taken:
        courier.written(frame)
    return taken


def flying(courier: Courier) -> list[UUID]:
    return list(courier.in_flight)


def refuse(courier: Courier, send: frames.Send, problem: Problem) -> Refused:
    event = courier.receive(frames.Error(ref=send.ref, problem=problem))
    assert isinstance(event, Refused)
    return event


def deliver(position: int, message: int = 500) -> frames.Deliver:
    return frames.Deliver(
        position=position,
        entry=frames.Message(
            id=UUID(int=message),
            conversation=PEER.address.account,
            sender=PEER.address,
            sequence=1,
            sent_at=5,
            content_type=ContentType.UNSEALED,
            body=b"hello",
        ),
    )


def test_nothing_leaves_before_ready() -> None:
    courier = Courier(ME)
    compose(courier, 0)
    courier.opening(TOKEN, resume=True)
    assert list(courier.take()) == []
    assert courier.in_flight == ()


def test_sequences_count_per_conversation() -> None:
    courier = Courier(ME)
    assert [compose(courier, n).sequence for n in range(3)] == [1, 2, 3]
    other = courier.compose(UUID(int=9), UUID(int=3), [PEER.as_recipient(b"x")])
    assert other.sequence == 1


def test_an_answer_settles_one_send() -> None:
    courier = Courier(ME)
    sends = [compose(courier, n) for n in range(2)]
    connect(courier)
    assert taken_sends(courier) == sends
    assert taken_sends(courier) == []
    answer = frames.Sent(ref=sends[0].ref, id=sends[0].id, sent_at=7)
    assert courier.receive(answer) == Answered(sends[0], 7)
    assert courier.receive(answer) is None
    assert courier.in_flight == (sends[1].id,)


def test_a_new_connection_repeats_the_unanswered_in_order() -> None:
    courier = Courier(ME)
    sends = [compose(courier, n) for n in range(3)]
    connect(courier)
    assert taken_sends(courier) == sends
    courier.receive(frames.Sent(ref=sends[1].ref, id=sends[1].id, sent_at=7))
    late = compose(courier, 3)
    courier.disconnected()
    assert courier.in_flight == ()
    connect(courier)
    assert taken_sends(courier) == [sends[0], sends[2], late]


def test_a_passing_refusal_stalls_and_is_repeated_first() -> None:
    courier = Courier(ME)
    sends = [compose(courier, n) for n in range(3)]
    connect(courier)
    taken_sends(courier)
    for send in sends:
        assert refuse(courier, send, ProblemType.UNAVAILABLE.describe()).passing
    late = compose(courier, 3)
    assert courier.stalled
    assert taken_sends(courier) == []
    courier.retry()
    assert taken_sends(courier) == [*sends, late]


def test_a_refusal_for_good_is_not_repeated() -> None:
    courier = Courier(ME)
    send = compose(courier, 0)
    connect(courier)
    taken_sends(courier)
    refused = refuse(courier, send, ProblemType.ID_REUSED.describe())
    assert refused.send == send
    assert not refused.passing
    assert courier.unanswered == 0


def test_a_refusal_of_another_frame_stalls_nothing() -> None:
    courier = Courier(ME)
    connect(courier)
    passing, final = ProblemType.UNAVAILABLE.describe(), ProblemType.FORBIDDEN.describe()
    assert courier.receive(frames.Error(ref=0, problem=passing)) == Refused(None, passing, True)
    assert courier.receive(frames.Error(ref=0, problem=final)) == Refused(None, final, False)
    assert not courier.stalled


def test_a_refused_token_is_no_finding_before_ready() -> None:
    courier = Courier(ME)
    courier.opening(TOKEN, resume=True)
    refusal = frames.Error(ref=0, problem=ProblemType.UNAUTHENTICATED.describe())
    event = courier.receive(refusal)
    assert isinstance(event, Refused)
    assert event.passing
    connect(courier)
    event = courier.receive(refusal)
    assert isinstance(event, Refused)
    assert not event.passing


def test_only_what_has_left_is_in_flight() -> None:
    courier = Courier(ME)
    first, second = compose(courier, 0), compose(courier, 1)
    connect(courier)
    list(courier.take())
    assert flying(courier) == []
    courier.written(first)
    assert flying(courier) == [first.id]
    courier.disconnected()
    assert flying(courier) == []
    connect(courier)
    assert list(courier.take()) == [first, second]
    assert flying(courier) == [], "of another connection"


def test_the_window_bounds_what_is_in_flight() -> None:
    courier = Courier(ME, window_frames_max=2)
    sends = [compose(courier, n) for n in range(5)]
    connect(courier)
    assert taken_sends(courier) == sends[:2]
    assert taken_sends(courier) == []
    courier.receive(frames.Sent(ref=sends[0].ref, id=sends[0].id, sent_at=7))
    assert taken_sends(courier) == [sends[2]]
    assert courier.unanswered == 4


def test_an_entry_is_shown_once_and_acknowledged_each_time() -> None:
    courier = Courier(ME)
    connect(courier)
    assert isinstance(courier.receive(deliver(4)), Showed)
    assert courier.receive(deliver(4)) is None
    assert list(courier.take()) == [frames.Acknowledge(positions=[4, 4])]
    assert courier.redelivered == 1


def test_an_id_at_a_second_position_is_shown_again() -> None:
    courier = Courier(ME)
    connect(courier)
    assert isinstance(courier.receive(deliver(4)), Showed)
    assert isinstance(courier.receive(deliver(5)), Showed)


@pytest.mark.parametrize(("resume", "after"), [(True, 4), (False, None)])
def test_resume_names_the_highest_shown_position(resume: bool, after: int | None) -> None:
    courier = Courier(ME)
    assert connect(courier).resume_after is None
    courier.receive(deliver(4))
    assert connect(courier, resume=resume).resume_after == after


def test_acknowledgements_of_a_lost_connection_are_not_carried_over() -> None:
    courier = Courier(ME)
    connect(courier)
    courier.receive(deliver(4))
    connect(courier)
    assert list(courier.take()) == []


def test_acknowledgements_are_split_at_the_protocol_limit() -> None:
    courier = Courier(ME)
    connect(courier)
    for position in range(1, 301):
        courier.receive(deliver(position, 1000 + position))
    sizes = [
        len(frame.positions) for frame in courier.take() if isinstance(frame, frames.Acknowledge)
    ]
    assert sizes == [256, 44]


def test_delivered_receipts_are_counted_and_acknowledged() -> None:
    courier = Courier(ME)
    connect(courier)
    receipt = frames.Receipt(
        kind=ReceiptKind.DELIVERED,
        by=PEER.address,
        conversation=PEER.address.account,
        ids=[UUID(int=1), UUID(int=2)],
        at=1,
        message_sender=ME.address.account,
    )
    assert courier.receive(frames.Deliver(position=9, entry=receipt)) is None
    assert courier.receipted == 2
    assert list(courier.take()) == [frames.Acknowledge(positions=[9])]
