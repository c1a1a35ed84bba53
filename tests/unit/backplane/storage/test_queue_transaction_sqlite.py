"""What the port does not show: nothing is left behind, nothing is written twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from backplane.storage.connection_sqlite import writing_connection
from backplane.storage.device_queues import (
    Append,
    DevicePayload,
    QueueDevice,
    RecipientPayloads,
    Removal,
    SendCommitted,
    SendOperation,
)
from backplane.storage.queue_transaction_sqlite import QueueTransaction
from backplane.storage.schema_queues_sqlite import migrate_queues
from backplane.storage.settings import StorageSettings
from ringline.protocol.types import Address

OWN, OTHER = UUID(int=1), UUID(int=2)
SENDER, RECIPIENT = Address(OWN, 1), Address(OTHER, 1)
TABLES = ("queues", "entries", "sends", "sequences")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    settings = StorageSettings()
    migrate_queues(tmp_path / "queues.sqlite3", settings)
    with closing(writing_connection(settings)(tmp_path / "queues.sqlite3")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@pytest.fixture
def transaction(connection: sqlite3.Connection) -> QueueTransaction:
    transaction = QueueTransaction(connection)
    transaction.open(OWN, QueueDevice(1, 5), 0)
    transaction.open(OTHER, QueueDevice(1, 5), 0)
    return transaction


def send(transaction: QueueTransaction, number: int) -> None:
    outcome = transaction.send(
        SendOperation(
            sender=SENDER,
            message=UUID(int=100 + number),
            conversation=OTHER,
            sequence=number,
            recipients=(RecipientPayloads(OTHER, (DevicePayload(1, 5, b"x"),)),),
            at=1,
            expires_at=10,
        )
    )
    assert isinstance(outcome, SendCommitted), outcome


def rows(connection: sqlite3.Connection) -> list[int]:
    counts = (f"SELECT count(*) FROM {table}" for table in TABLES)  # noqa: S608
    return [connection.execute(count).fetchone()[0] for count in counts]


def test_close_leaves_no_row_behind(
    connection: sqlite3.Connection, transaction: QueueTransaction
) -> None:
    send(transaction, 1)
    transaction.close(SENDER)
    assert rows(connection) == [1, 1, 0, 0]
    transaction.close(RECIPIENT)
    transaction.flush()
    assert rows(connection) == [0, 0, 0, 0]


def test_a_queues_number_is_never_given_twice(
    connection: sqlite3.Connection, transaction: QueueTransaction
) -> None:
    def number() -> int:
        (found,) = connection.execute("SELECT max(queue) FROM queues").fetchone()
        return int(found)

    before = number()
    transaction.close(RECIPIENT)
    transaction.open(OTHER, QueueDevice(1, 5), 0)
    assert number() > before


def test_what_one_transaction_adds_and_takes_away_is_never_written(
    connection: sqlite3.Connection, transaction: QueueTransaction
) -> None:
    send(transaction, 1)
    transaction.change([Removal(RECIPIENT, (1,))], [Append(OTHER, b"y", 10)])
    transaction.flush()
    assert connection.execute("SELECT position, payload FROM entries").fetchall() == [(2, b"y")]


def test_a_second_flush_writes_nothing(
    connection: sqlite3.Connection, transaction: QueueTransaction
) -> None:
    send(transaction, 1)
    send(transaction, 2)
    transaction.flush()
    written = connection.total_changes
    transaction.flush()
    assert connection.total_changes == written
    assert rows(connection) == [2, 2, 2, 1]


def test_the_next_transaction_goes_on_where_this_one_ended(
    connection: sqlite3.Connection, transaction: QueueTransaction
) -> None:
    send(transaction, 1)
    transaction.flush()
    following = QueueTransaction(connection)
    send(following, 2)
    following.flush()
    assert connection.execute("SELECT position FROM entries ORDER BY 1").fetchall() == [(1,), (2,)]
