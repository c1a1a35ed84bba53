"""One suite on both stores, and the rules that stand above them."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringline.client import store as port
from ringline.client import store_memory, store_sqlite
from ringline.client.errors import OutboxFull
from ringline.client.store import (
    Identity,
    MessageState,
    OutboxMessage,
    Store,
    keep_entries,
)
from ringline.client.store_memory import MemoryStore
from ringline.client.store_sqlite import SqliteStore
from ringline.protocol.frames import AnyEntry, CallEvent, Deliver, Message, Receipt
from ringline.protocol.types import Address, CallKind, ContentType, ReceiptKind

ANN, BOB, EVE = (uuid.UUID(int=n) for n in (1, 2, 3))
UNSEALED = ContentType.UNSEALED
BOBS = Address(BOB, 1)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store = (
        MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ringline.db")
    )
    yield store
    store.close()


def identity(name: str = "phone", credential: str = "c" * 43, account: uuid.UUID = ANN) -> Identity:
    return Identity(
        account=account,
        device=1,
        number="+12025550111",
        name=name,
        registration_id=5,
        credential=credential,
    )


def put(store: Store, number: int, conversation: uuid.UUID = BOB) -> OutboxMessage:
    return store.enqueue(uuid.UUID(int=100 + number), conversation, UNSEALED, b"body", 1_000)


def message(number: int, sequence: int | None = None, sender: Address = BOBS) -> Message:
    return Message(
        id=uuid.UUID(int=1_000 + number),
        conversation=sender.account,
        sender=sender,
        sequence=number if sequence is None else sequence,
        sent_at=number,
        content_type=UNSEALED,
        body=b"x",
    )


def deliver(*entries: AnyEntry) -> list[Deliver]:
    return [Deliver(position=n, entry=entry) for n, entry in enumerate(entries, 1)]


def keep(store: Store, *entries: AnyEntry) -> list[AnyEntry]:
    return keep_entries(store, ANN, deliver(*entries), None)


def sequences(store: Store, conversation: uuid.UUID = BOB) -> list[int]:
    return [m.sequence for m in store.outbox(conversation)]


# Who.


def test_identity_and_server(store: Store) -> None:
    assert store.identity() is None
    assert store.server() is None
    store.set_identity(identity())
    store.set_server("http://x")
    assert store.identity() == identity()
    assert store.server() == "http://x"


def test_another_account_starts_with_nothing(store: Store) -> None:
    store.set_identity(identity())
    one = put(store, 1).id
    keep(store, message(1))
    store.set_position(9)
    store.set_identity(identity(name="renamed"))
    assert store.outbox_size() == 1, "the same device keeps what is its own"
    assert store.position() == 9
    store.set_identity(identity(account=EVE, credential="e" * 43))
    assert store.outbox_size() == store.inbox_size() == 0
    assert store.position() is None
    assert store.message_state(one) is None
    assert put(store, 1).sequence == 1
    assert len(keep(store, message(1))) == 1


def test_a_new_device_of_the_account_counts_anew(store: Store) -> None:
    """Its number may even be the old one's: the credential tells them apart."""
    store.set_identity(identity())
    for n in range(1, 4):
        put(store, n)
    store.settle(uuid.UUID(int=101), 5)
    keep(store, message(1))
    store.set_position(9)
    store.set_identity(identity(credential="d" * 43))
    assert store.position() is None, "it would acknowledge what the new queue holds"
    assert [(m.id.int, m.sequence) for m in store.outbox()] == [(102, 1), (103, 2)]
    assert put(store, 4).sequence == 3
    assert put(store, 5, EVE).sequence == 1
    assert store.inbox_size() == 1


# What waits to be sent.


def test_numbers_rise_by_one_per_conversation(store: Store) -> None:
    assert [put(store, n).sequence for n in (1, 2)] == [1, 2]
    assert put(store, 3, EVE).sequence == 1
    assert put(store, 4).sequence == 3
    assert [m.id.int for m in store.outbox(BOB)] == [101, 102, 104]
    assert len(store.outbox()) == store.outbox_size() == 4


def test_what_is_sent_leaves_and_its_number_is_used(store: Store) -> None:
    first = put(store, 1)
    store.settle(first.id, 5)
    store.settle(first.id, 5)
    assert store.message_state(first.id) is MessageState.SENT
    assert put(store, 2).sequence == 2
    assert sequences(store) == [2]


def test_what_was_given_up_leaves_no_gap(store: Store) -> None:
    messages = [put(store, n) for n in range(1, 5)]
    store.give_up(messages[1].id)
    store.give_up(messages[1].id)
    assert store.message_state(messages[1].id) is MessageState.FAILED
    assert [(m.id, m.sequence) for m in store.outbox(BOB)] == [
        (messages[0].id, 1),
        (messages[2].id, 2),
        (messages[3].id, 3),
    ]
    assert put(store, 9).sequence == 4


def test_the_last_one_given_up_frees_its_number(store: Store) -> None:
    store.settle(put(store, 1).id, 0)
    store.give_up(put(store, 2).id)
    assert put(store, 3).sequence == 2


def test_renumbering_goes_on_from_there(store: Store) -> None:
    for n in (1, 2):
        put(store, n)
    put(store, 3, EVE)
    store.renumber(BOB, 40)
    assert sequences(store) == [40, 41]
    assert sequences(store, EVE) == [1]
    assert put(store, 4).sequence == 42


def test_states_only_rise(store: Store) -> None:
    one = put(store, 1).id
    assert store.message_state(one) is MessageState.WAITING
    store.raise_state([one, uuid.UUID(int=999)], MessageState.READ, 1)
    store.raise_state([one], MessageState.DELIVERED, 2)
    assert store.message_state(one) is MessageState.READ
    assert store.message_state(uuid.UUID(int=999)) is None


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (store_memory, store_sqlite):
        monkeypatch.setattr(module, "OUTBOX_MESSAGES_MAX", 3)
        monkeypatch.setattr(module, "MESSAGES_MAX", 2)
        monkeypatch.setattr(module, "RECENT_IDS_MAX", 3)


@pytest.mark.usefixtures("small")
def test_the_outbox_is_bounded(store: Store) -> None:
    for n in range(3):
        put(store, n)
    with pytest.raises(OutboxFull):
        put(store, 4)
    assert store.outbox_size() == 3
    assert store.message_state(uuid.UUID(int=100)) is None, "the oldest state went"
    assert store.message_state(uuid.UUID(int=102)) is MessageState.WAITING


# What came.


def test_a_message_is_kept_once(store: Store) -> None:
    assert keep(store, message(1), message(2), message(1)) == [message(1), message(2)]
    assert keep(store, message(2), message(3)) == [message(3)]
    assert [row.entry for row in store.inbox(0, 10)] == [message(n) for n in (1, 2, 3)]


def test_a_gap_is_told_with_its_message(store: Store) -> None:
    keep(store, message(5), message(6), message(9), message(10))
    assert [row.expected for row in store.inbox(0, 10)] == [None, None, 7, None]


def test_a_sender_that_starts_anew_is_heard(store: Store) -> None:
    keep(store, message(50))
    new = message(51, sequence=1)
    assert keep(store, new, message(52, sequence=2)) == [new, message(52, sequence=2)]
    assert [row.expected for row in store.inbox(0, 10)] == [None, 51, None]


def test_streams_are_apart(store: Store) -> None:
    other = message(1, sender=Address(BOB, 2))
    assert keep(store, message(1), other) == [message(1), other], "another device's same id"
    assert [row.expected for row in store.inbox(0, 10)] == [None, None]


@pytest.mark.usefixtures("small")
def test_recent_ids_are_bounded(store: Store) -> None:
    keep(store, *(message(n) for n in range(1, 6)))
    assert not store.is_seen(BOBS, BOB, message(1).id)
    assert not store.is_seen(BOBS, BOB, message(2).id)
    assert store.is_seen(BOBS, BOB, message(3).id)


def test_rows_leave_one_by_one(store: Store) -> None:
    keep(store, *(message(n) for n in range(1, 6)))
    first, second = store.inbox(0, 2)
    store.drop_inbox(first.row)
    assert [row.row for row in store.inbox(second.row, 10)] == [second.row + n for n in (1, 2, 3)]
    assert store.inbox_size() == 4
    assert keep(store, message(1)) == [], "dropped is not forgotten"


def test_receipts_raise_states(store: Store) -> None:
    one = put(store, 1).id
    receipt = Receipt(
        kind=ReceiptKind.DELIVERED, by=BOBS, conversation=BOB, ids=[one], at=1, message_sender=ANN
    )
    assert keep(store, receipt) == [receipt]
    assert store.message_state(one) is MessageState.DELIVERED
    own_other = Receipt(
        kind=ReceiptKind.READ,
        by=Address(ANN, 2),
        conversation=BOB,
        ids=[one],
        at=1,
        message_sender=BOB,
    )
    keep(store, own_other)
    assert store.message_state(one) is MessageState.DELIVERED


def test_missed_calls_are_kept_once_other_call_events_not(store: Store) -> None:
    missed = call(CallKind.MISSED)
    assert keep(store, missed, missed) == [missed]
    assert keep(store, call(CallKind.CANCEL)) == [call(CallKind.CANCEL)]
    assert [row.entry for row in store.inbox(0, 10)] == [missed]
    keep(store, message(7))
    assert [row.expected for row in store.inbox(0, 10)] == [None, None], "calls take no number"


def call(kind: CallKind) -> CallEvent:
    return CallEvent(
        call=uuid.UUID(int=70), kind=kind, sender=BOBS, caller=BOB, callee=ANN, at=1, expires_at=2
    )


def test_positions_only_rise(store: Store) -> None:
    assert store.position() is None
    keep_entries(store, ANN, deliver(message(1)), 4)
    store.set_position(2)
    assert store.position() == 4
    store.set_position(9)
    assert store.position() == 9


def test_contacts_with_their_numbers(store: Store) -> None:
    keep(store, message(1))
    assert store.contacts() == {BOB: None}
    store.note_contact(BOB, "+12025550122", 5)
    store.note_contact(EVE, "+12025550133", 6)
    store.note_contact(BOB, None, 7)
    assert store.contacts() == {EVE: "+12025550133", BOB: "+12025550122"}
    assert list(store.contacts()) == [EVE, BOB]


class Crash(Exception):
    pass


def test_a_crash_in_a_transaction_leaves_nothing(store: Store) -> None:
    keep(store, message(1))
    put(store, 1)
    with pytest.raises(Crash), store.transaction():
        store.mark_seen(BOBS, BOB, message(2).id, 2)
        store.put_inbox(message(2), None)
        with store.transaction():
            put(store, 2)
        store.set_position(7)
        raise Crash
    assert store.inbox_size() == store.outbox_size() == 1
    assert store.position() is None
    assert keep(store, message(2)) == [message(2)]
    assert put(store, 2).sequence == 2


def test_a_crash_between_keeping_and_the_next_delivery(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(store, "set_position", fail)
    with pytest.raises(Crash):
        keep_entries(store, ANN, deliver(message(1)), 1)
    monkeypatch.undo()
    assert store.inbox_size() == 0
    assert keep_entries(store, ANN, deliver(message(1)), 1) == [message(1)]


def test_the_limits_have_sense() -> None:
    # A whole delivery window may come again; that many ids must be known.
    assert port.RECENT_IDS_MAX >= 4 * 64
    assert port.INBOX_ENTRIES_MAX > 64
