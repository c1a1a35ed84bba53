from uuid import UUID

from backplane.storage.device_queues import QueueEntry
from ringline.protocol.codec import encode_entry
from ringline.protocol.frames import Message
from ringline.protocol.types import Address, ContentType
from signaling.window import DeliveryWindow


def entry(position: int, body: bytes = b"hello") -> QueueEntry:
    sender = Address(UUID(int=1), 1)
    message = Message(
        id=UUID(int=position),
        conversation=sender.account,
        sender=sender,
        sequence=position,
        sent_at=0,
        content_type=ContentType.UNSEALED,
        body=body,
    )
    return QueueEntry(position, encode_entry(message))


def fetched(window: DeliveryWindow, entries: list[QueueEntry], asked: int = 64) -> list[int]:
    """As the pump does it."""
    window.behind = False
    return [taken.position for taken, _ in window.deliver(entries, asked)]


def test_it_takes_no_more_entries_than_its_size() -> None:
    window = DeliveryWindow(entries_max=3)
    assert fetched(window, [entry(n) for n in range(1, 6)]) == [1, 2, 3]
    assert window.room == 0
    assert window.behind
    assert window.fetched_to == 3


def test_it_takes_no_more_bytes_than_its_size_but_always_one() -> None:
    window = DeliveryWindow(bytes_max=1000)
    assert fetched(window, [entry(n, b"x" * 600) for n in range(1, 5)]) == [1, 2]
    assert window.room == 0
    big = DeliveryWindow(bytes_max=10)
    assert fetched(big, [entry(1, b"x" * 600), entry(2)]) == [1]


def test_a_short_answer_says_that_the_queue_is_drained() -> None:
    window = DeliveryWindow()
    fetched(window, [entry(1)])
    assert not window.behind
    fetched(window, [])
    assert not window.behind


def test_a_full_answer_or_one_cut_by_bytes_says_nothing() -> None:
    window = DeliveryWindow()
    fetched(window, [entry(1), entry(2)], asked=2)
    assert window.behind
    cut = DeliveryWindow(bytes_max=2**30)
    fetched(cut, [entry(n, b"x" * 130_000) for n in range(1, 6)])
    assert cut.behind


def test_a_mark_during_the_fetch_is_kept() -> None:
    window = DeliveryWindow()
    window.behind = True
    window.deliver([entry(1)], 64)
    assert window.behind


def test_only_what_was_delivered_can_be_acknowledged() -> None:
    window = DeliveryWindow()
    fetched(window, [entry(5), entry(6)])
    known, unknown = window.acknowledge([5, 7, 0, 5])
    assert list(known) == [5]
    assert unknown == [7, 0]
    assert window.acknowledge([5]) == ({}, []), "under way already: no second time, no complaint"
    window.settled([5])
    assert window.acknowledge([5]) == ({}, [5])


def test_bodies_are_not_kept() -> None:
    window = DeliveryWindow()
    fetched(window, [entry(1)])
    known, _ = window.acknowledge([1])
    held = known[1]
    assert isinstance(held, Message)
    assert held.body == b""
    assert held.id == UUID(int=1)


def test_room_comes_back_when_the_acknowledgement_is_durable() -> None:
    window = DeliveryWindow(entries_max=2)
    fetched(window, [entry(1), entry(2)])
    window.acknowledge([1, 2])
    assert window.room == 0
    window.settled([1])
    assert window.room == 1
    window.restored([2])
    assert window.room == 1
    assert list(window.acknowledge([2])[0]) == [2]


def test_it_is_hungry_again_at_half() -> None:
    window = DeliveryWindow(entries_max=4)
    fetched(window, [entry(n) for n in range(1, 6)])
    for position, hungry in ((1, False), (2, True), (3, True)):
        window.acknowledge([position])
        window.settled([position])
        assert window.hungry is hungry
    window.behind = False
    assert not window.hungry
