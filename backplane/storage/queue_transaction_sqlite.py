"""One write transaction of the device queues, as all operations of a commit group share it.

Every statement costs a hand-over of the interpreter lock between the writer's thread and the event
loop, far more than SQLite's own work. So an account's queues are read once per transaction, and
positions, sequences and entries are written in bulk by `flush`, right before the COMMIT. Nothing
outlives the transaction: two processes may share the file.
Rejected: one statement per row as it comes (half the speed).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from uuid import UUID

from backplane.storage.device_differences import differences
from backplane.storage.device_queues import (
    Append,
    DevicesDiffer,
    IdReused,
    QueueDevice,
    Removal,
    SendCommitted,
    SenderGone,
    SendOperation,
    SendOutcome,
    SequenceBroken,
)
from ringline.protocol.types import Address

_QUEUES = "SELECT device, queue, registration_id, last_position FROM queues WHERE account = ?"
_ADVANCE_QUEUE = "UPDATE queues SET last_position = ? WHERE queue = ?"
_REMEMBER = "INSERT INTO sends VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_REMEMBERED = "SELECT conversation, sequence, at FROM sends WHERE queue = ? AND message = ?"
_LAST = "SELECT last FROM sequences WHERE queue = ? AND conversation = ?"
_ADVANCE_SEQUENCE = (
    "INSERT INTO sequences VALUES (?, ?, ?)"
    " ON CONFLICT (queue, conversation) DO UPDATE SET last = excluded.last"
)
_INSERT = "INSERT INTO entries (queue, position, expires_at, key, payload) VALUES (?, ?, ?, ?, ?)"
_INSERT_KEYED = f"{_INSERT} ON CONFLICT DO NOTHING"
_REMOVE = "DELETE FROM entries WHERE queue = ? AND position = ?"
_OPEN = "INSERT INTO queues (account, device, registration_id, opened_at) VALUES (?, ?, ?, ?)"
_EXPIRED = (
    "SELECT queue, position FROM entries WHERE expires_at <= ?"
    " ORDER BY expires_at, queue, position LIMIT ?"
)
_FORGOTTEN = (
    "SELECT queue, message FROM sends WHERE expires_at <= ?"
    " ORDER BY expires_at, queue, message LIMIT ?"
)
_FORGET = "DELETE FROM sends WHERE queue = ? AND message = ?"


class _Queue:
    __slots__ = ("last_position", "number", "registration_id")

    def __init__(self, number: int, registration_id: int, last_position: int) -> None:
        self.number = number
        self.registration_id = registration_id
        self.last_position = last_position


class QueueTransaction:
    """Lives from BEGIN IMMEDIATE to COMMIT; after an exception it must be thrown away."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._accounts: dict[bytes, dict[int, _Queue]] = {}
        self._advanced: set[_Queue] = set()
        self._sequences: dict[tuple[int, bytes], int] = {}
        self._advanced_sequences: set[tuple[int, bytes]] = set()
        self._entries: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._removed: list[tuple[int, int]] = []

    def flush(self) -> None:
        """Write what the operations so far have decided."""
        write = self._connection.executemany
        self._flush_removed()
        if self._entries:
            write(_INSERT, [(*at, expiry, None, p) for at, (expiry, p) in self._entries.items()])
            self._entries = {}
        if self._advanced:
            write(_ADVANCE_QUEUE, [(q.last_position, q.number) for q in self._advanced])
            self._advanced = set()
        if self._advanced_sequences:
            write(
                _ADVANCE_SEQUENCE,
                [(*which, self._sequences[which]) for which in self._advanced_sequences],
            )
            self._advanced_sequences = set()

    def send(self, operation: SendOperation) -> SendOutcome:
        """The steps of `DeviceQueues.send`; the look for a known id only when one of the others
        fails, since remembering a known id fails by itself."""
        sender = operation.sender
        queue = self._queues(sender.account.bytes).get(sender.device)
        if queue is None:
            return SenderGone()
        conversation = (queue.number, operation.conversation.bytes)
        expected = self._last(conversation) + 1
        if operation.sequence != expected:
            return self._known(queue, operation) or SequenceBroken(expected)
        found = differences(operation, self._registration_ids)
        if found or not self._remember(queue, operation):
            return self._known(queue, operation) or DevicesDiffer(found)
        self._sequences[conversation] = expected
        self._advanced_sequences.add(conversation)
        return SendCommitted(operation.at, False, self._append_all(operation))

    def change(self, removals: Sequence[Removal], appends: Sequence[Append]) -> tuple[Address, ...]:
        for removal in removals:
            queue = self._queues(removal.address.account.bytes).get(removal.address.device)
            if queue is not None:
                self._remove(queue, removal.positions)
        woken: dict[Address, None] = {}
        for append in appends:
            for device, queue in self._targets(append):
                if self._append(queue, append):
                    woken[Address(append.account, device)] = None
        return tuple(woken)

    def open(self, account: UUID, device: QueueDevice, now: int) -> None:
        known = self._queues(account.bytes).get(device.device)
        if known is not None and known.registration_id == device.registration_id:
            return
        if known is not None:
            self.close(Address(account, device.device))
        self._connection.execute(_OPEN, (account.bytes, device.device, device.registration_id, now))
        self._accounts.pop(account.bytes, None)

    def replace(self, account: UUID, device: QueueDevice, now: int) -> None:
        for number in list(self._queues(account.bytes)):
            self.close(Address(account, number))
        self.open(account, device, now)

    def close(self, address: Address) -> None:
        self.flush()
        queue = self._queues(address.account.bytes).pop(address.device, None)
        if queue is None:
            return
        for table in ("queues", "entries", "sends", "sequences"):
            self._connection.execute(f"DELETE FROM {table} WHERE queue = ?", (queue.number,))  # noqa: S608

    def sweep(self, now: int, limit: int) -> int:
        self.flush()
        run = self._connection
        expired = run.execute(_EXPIRED, (now, limit)).fetchall()
        run.executemany(_REMOVE, expired)
        forgotten = run.execute(_FORGOTTEN, (now, limit - len(expired))).fetchall()
        run.executemany(_FORGET, forgotten)
        return len(expired) + len(forgotten)

    def probe(self) -> None:
        self._connection.execute("UPDATE probe SET count = count + 1")

    def _queues(self, account: bytes) -> dict[int, _Queue]:
        queues = self._accounts.get(account)
        if queues is None:
            rows = self._connection.execute(_QUEUES, (account,)).fetchall()
            queues = {device: _Queue(*columns) for device, *columns in rows}
            self._accounts[account] = queues
        return queues

    def _registration_ids(self, account: UUID) -> Mapping[int, int]:
        return {d: queue.registration_id for d, queue in self._queues(account.bytes).items()}

    def _last(self, conversation: tuple[int, bytes]) -> int:
        last = self._sequences.get(conversation)
        if last is None:
            row = self._connection.execute(_LAST, conversation).fetchone()
            last = self._sequences[conversation] = 0 if row is None else int(row[0])
        return last

    def _remember(self, queue: _Queue, operation: SendOperation) -> bool:
        """Whether the sending device had not used the id."""
        values = (
            queue.number,
            operation.message.bytes,
            operation.conversation.bytes,
            operation.sequence,
            operation.at,
            operation.expires_at,
        )
        return self._connection.execute(_REMEMBER, values).rowcount == 1

    def _known(self, queue: _Queue, operation: SendOperation) -> SendOutcome | None:
        row = self._connection.execute(
            _REMEMBERED, (queue.number, operation.message.bytes)
        ).fetchone()
        if row is None:
            return None
        conversation, sequence, at = row
        if conversation != operation.conversation.bytes or sequence != operation.sequence:
            return IdReused()
        return SendCommitted(at, True, ())

    def _append_all(self, operation: SendOperation) -> tuple[Address, ...]:
        appended = []
        for recipient in operation.recipients:
            queues = self._queues(recipient.account.bytes)
            for item in recipient.payloads:
                queue = queues[item.device]
                position = self._advance(queue)
                self._entries[queue.number, position] = (operation.expires_at, item.payload)
                appended.append(Address(recipient.account, item.device))
        return tuple(appended)

    def _advance(self, queue: _Queue) -> int:
        queue.last_position += 1
        self._advanced.add(queue)
        return queue.last_position

    def _targets(self, append: Append) -> list[tuple[int, _Queue]]:
        queues = self._queues(append.account.bytes)
        if append.device is not None:
            queue = queues.get(append.device)
            return [] if queue is None else [(append.device, queue)]
        return [(d, queues[d]) for d in sorted(queues) if d != append.except_device]

    def _append(self, queue: _Queue, append: Append) -> bool:
        if append.key is None:
            place = (queue.number, self._advance(queue))
            self._entries[place] = (append.expires_at, append.payload)
            return True
        self._flush_removed()  # what has just been acknowledged holds its key no more
        values = (
            queue.number,
            queue.last_position + 1,
            append.expires_at,
            append.key,
            append.payload,
        )
        if self._connection.execute(_INSERT_KEYED, values).rowcount == 0:
            return False
        self._advance(queue)
        return True

    def _remove(self, queue: _Queue, positions: Sequence[int]) -> None:
        for position in positions:
            place = (queue.number, position)
            if self._entries.pop(place, None) is None:
                self._removed.append(place)

    def _flush_removed(self) -> None:
        if self._removed:
            self._connection.executemany(_REMOVE, self._removed)
            self._removed = []
