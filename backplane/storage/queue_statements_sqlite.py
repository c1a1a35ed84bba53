"""The transactions of the device queues, as plain functions on a connection.

Each runs inside the writer's transaction; nothing is cached between them, so that two processes
may share the file.
"""

import sqlite3
from collections.abc import Sequence
from uuid import UUID

from backplane.storage.device_differences import differences
from backplane.storage.device_queues import (
    Append,
    DevicesDiffer,
    IdReused,
    QueueDevice,
    RecipientPayloads,
    Removal,
    SendCommitted,
    SenderGone,
    SendOperation,
    SendOutcome,
    SequenceBroken,
)
from ringline.protocol.types import Address

_DEVICES = "SELECT device, registration_id FROM queues WHERE account = ? ORDER BY device"
_QUEUE = "SELECT 1 FROM queues WHERE account = ? AND device = ?"
_REMEMBERED = (
    "SELECT conversation, sequence, at FROM sends WHERE account = ? AND device = ? AND message = ?"
)
_LAST = "SELECT last FROM sequences WHERE account = ? AND device = ? AND conversation = ?"
_ADVANCE = (
    "INSERT INTO sequences VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account, device, conversation) DO UPDATE SET last = excluded.last"
)
_REMEMBER = "INSERT INTO sends VALUES (?, ?, ?, ?, ?, ?, ?)"
_NEXT_POSITION = (
    "UPDATE queues SET last_position = last_position + 1"
    " WHERE account = ? AND device = ? RETURNING last_position"
)
_INSERT = (
    "INSERT INTO entries (account, device, position, expires_at, key, payload)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_HAS_KEY = "SELECT 1 FROM entries WHERE account = ? AND device = ? AND key = ?"
_REMOVE = "DELETE FROM entries WHERE account = ? AND device = ? AND position = ?"


def devices(connection: sqlite3.Connection, account: UUID) -> tuple[QueueDevice, ...]:
    rows = connection.execute(_DEVICES, (account.bytes,))
    return tuple(QueueDevice(device, registration_id) for device, registration_id in rows)


def next_sequence(connection: sqlite3.Connection, sender: Address, conversation: UUID) -> int:
    row = connection.execute(
        _LAST, (sender.account.bytes, sender.device, conversation.bytes)
    ).fetchone()
    return 1 if row is None else int(row[0]) + 1


def send(connection: sqlite3.Connection, operation: SendOperation) -> SendOutcome:
    """The steps of `DeviceQueues.send`, in its order."""
    sender = operation.sender
    account, device = sender.account.bytes, sender.device
    if connection.execute(_QUEUE, (account, device)).fetchone() is None:
        return SenderGone()
    remembered = connection.execute(
        _REMEMBERED, (account, device, operation.message.bytes)
    ).fetchone()
    if remembered is not None:
        return _answer_again(operation, remembered)
    expected = next_sequence(connection, sender, operation.conversation)
    if operation.sequence != expected:
        return SequenceBroken(expected)
    found = [
        difference
        for recipient in operation.recipients
        for difference in differences(recipient, devices(connection, recipient.account), sender)
    ]
    if found:
        return DevicesDiffer(tuple(found))
    conversation = operation.conversation.bytes
    connection.execute(_ADVANCE, (account, device, conversation, operation.sequence))
    connection.execute(
        _REMEMBER,
        (
            account,
            device,
            operation.message.bytes,
            conversation,
            operation.sequence,
            operation.at,
            operation.expires_at,
        ),
    )
    appended: list[Address] = []
    for recipient in operation.recipients:
        _append_all(connection, recipient, operation.expires_at, appended)
    return SendCommitted(operation.at, False, tuple(appended))


def _answer_again(operation: SendOperation, remembered: tuple[bytes, int, int]) -> SendOutcome:
    conversation, sequence, at = remembered
    if conversation != operation.conversation.bytes or sequence != operation.sequence:
        return IdReused()
    return SendCommitted(at, True, ())


def _append_all(
    connection: sqlite3.Connection,
    recipient: RecipientPayloads,
    expires_at: int,
    appended: list[Address],
) -> None:
    account = recipient.account.bytes
    for item in recipient.payloads:
        (position,) = connection.execute(_NEXT_POSITION, (account, item.device)).fetchone()
        connection.execute(
            _INSERT, (account, item.device, position, expires_at, None, item.payload)
        )
        appended.append(Address(recipient.account, item.device))


def change(
    connection: sqlite3.Connection, removals: Sequence[Removal], appends: Sequence[Append]
) -> tuple[Address, ...]:
    for removal in removals:
        account, device = removal.address.account.bytes, removal.address.device
        for position in removal.positions:
            connection.execute(_REMOVE, (account, device, position))
    woken: dict[Address, None] = {}
    for append in appends:
        for device in _targets(connection, append):
            if _append(connection, append, device):
                woken[Address(append.account, device)] = None
    return tuple(woken)


def _targets(connection: sqlite3.Connection, append: Append) -> list[int]:
    if append.device is not None:
        return [append.device]
    return [
        queue.device
        for queue in devices(connection, append.account)
        if queue.device != append.except_device
    ]


def _append(connection: sqlite3.Connection, append: Append, device: int) -> bool:
    account = append.account.bytes
    if append.key is not None:
        held = connection.execute(_HAS_KEY, (account, device, append.key)).fetchone()
        if held is not None:
            return False
    row = connection.execute(_NEXT_POSITION, (account, device)).fetchone()
    if row is None:
        return False
    connection.execute(
        _INSERT, (account, device, row[0], append.expires_at, append.key, append.payload)
    )
    return True


def open_queue(
    connection: sqlite3.Connection, account: UUID, device: QueueDevice, now: int
) -> None:
    row = connection.execute(
        "SELECT registration_id FROM queues WHERE account = ? AND device = ?",
        (account.bytes, device.device),
    ).fetchone()
    if row is not None and row[0] == device.registration_id:
        return
    if row is not None:
        close(connection, Address(account, device.device))
    connection.execute(
        "INSERT INTO queues (account, device, registration_id, opened_at) VALUES (?, ?, ?, ?)",
        (account.bytes, device.device, device.registration_id, now),
    )


def replace(connection: sqlite3.Connection, account: UUID, device: QueueDevice, now: int) -> None:
    for queue in devices(connection, account):
        close(connection, Address(account, queue.device))
    open_queue(connection, account, device, now)


def close(connection: sqlite3.Connection, address: Address) -> None:
    where = (address.account.bytes, address.device)
    connection.execute("DELETE FROM queues WHERE account = ? AND device = ?", where)
    connection.execute("DELETE FROM entries WHERE account = ? AND device = ?", where)
    connection.execute("DELETE FROM sends WHERE account = ? AND device = ?", where)
    connection.execute("DELETE FROM sequences WHERE account = ? AND device = ?", where)


def sweep(connection: sqlite3.Connection, now: int, limit: int) -> int:
    expired = connection.execute(
        "SELECT account, device, position FROM entries WHERE expires_at <= ? LIMIT ?", (now, limit)
    ).fetchall()
    connection.executemany(_REMOVE, expired)
    forgotten = connection.execute(
        "SELECT account, device, message FROM sends WHERE expires_at <= ? LIMIT ?", (now, limit)
    ).fetchall()
    connection.executemany(
        "DELETE FROM sends WHERE account = ? AND device = ? AND message = ?", forgotten
    )
    return len(expired) + len(forgotten)


def probe(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE probe SET count = count + 1")
