"""The store as one SQLite file: WAL, synchronous=FULL, mode 0600, read by several processes.

Every method is one transaction that is on the disk when it returns, or joins the open one.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from ringline.client.errors import OutboxFull, ProfileDamaged
from ringline.client.store import (
    MESSAGES_MAX,
    OUTBOX_MESSAGES_MAX,
    RECENT_IDS_MAX,
    Identity,
    InboxRow,
    MessageState,
    OutboxMessage,
)
from ringline.protocol.codec import decode_entry, encode_entry
from ringline.protocol.frames import AnyEntry
from ringline.protocol.types import Address, ContentType

SCHEMA_VERSION: Final = 1
BUSY_TIMEOUT_S: Final = 10.0
_DEVICE_TABLES: Final = ("outbox", "conversation", "message", "stream", "seen", "inbox")
_SCHEMA: Final = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    id BLOB PRIMARY KEY, conversation BLOB NOT NULL, sequence INTEGER NOT NULL,
    content_type TEXT NOT NULL, body BLOB NOT NULL, created_at INTEGER NOT NULL);
CREATE INDEX outbox_order ON outbox (conversation, sequence);
CREATE TABLE conversation (id BLOB PRIMARY KEY, next_sequence INTEGER NOT NULL);
CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, state INTEGER NOT NULL,
    changed_at INTEGER NOT NULL);
CREATE TABLE stream (
    sender BLOB NOT NULL, conversation BLOB NOT NULL, last_sequence INTEGER NOT NULL,
    PRIMARY KEY (sender, conversation)) WITHOUT ROWID;
CREATE TABLE seen (
    number INTEGER PRIMARY KEY AUTOINCREMENT, sender BLOB NOT NULL, conversation BLOB NOT NULL,
    id BLOB NOT NULL, UNIQUE (sender, conversation, id));
CREATE INDEX seen_order ON seen (sender, conversation, number);
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL, expected INTEGER);
CREATE TABLE contact (account BLOB PRIMARY KEY, number TEXT, seen_at INTEGER NOT NULL);
"""


class SqliteStore:
    """Used from one thread at a time. Raise ProfileDamaged when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._depth = 0
        with _translated():
            path.touch(mode=0o600)
            path.chmod(0o600)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def _open(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        with self.transaction():
            [version] = self._one("PRAGMA user_version")
            if version > SCHEMA_VERSION:
                raise ProfileDamaged("a newer ringline has written this profile")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._run(statement)
                self._run(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._depth:
            yield
            return
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _one(self, statement: str, *values: Any) -> Any:
        with _translated():
            return self._run(statement, *values).fetchone()

    def _all(self, statement: str, *values: Any) -> list[Any]:
        with _translated():
            return self._run(statement, *values).fetchall()

    def _change(self, statement: str, *values: Any) -> int:
        with self.transaction():
            return self._run(statement, *values).rowcount

    def _setting(self, name: str) -> Any:
        found = self._one("SELECT value FROM setting WHERE name = ?", name)
        return found[0] if found else None

    def _set(self, name: str, value: str | int | bytes) -> None:
        self._change("INSERT OR REPLACE INTO setting VALUES (?, ?)", name, value)

    def server(self) -> str | None:
        found: str | None = self._setting("server")
        return found

    def set_server(self, url: str) -> None:
        self._set("server", url)

    def identity(self) -> Identity | None:
        found = self._setting("identity")
        try:
            return None if found is None else msgspec.msgpack.decode(found, type=Identity)
        except msgspec.DecodeError:
            raise ProfileDamaged("the profile's identity cannot be read") from None

    def set_identity(self, identity: Identity) -> None:
        with self.transaction():
            known = self.identity()
            if known is None or known.account != identity.account:
                for table in _DEVICE_TABLES:
                    self._run(f"DELETE FROM {table}")  # noqa: S608 - our own names
            if known is None or known.credential != identity.credential:
                self._begin_anew()
            self._set("identity", msgspec.msgpack.encode(identity))

    def _begin_anew(self) -> None:
        self._run("DELETE FROM setting WHERE name = 'position'")
        self._run("DELETE FROM conversation")
        for conversation in {m.conversation for m in self.outbox()}:
            self.renumber(conversation, 1)

    def enqueue(
        self, message: UUID, conversation: UUID, content_type: ContentType, body: bytes, now: int
    ) -> OutboxMessage:
        with self.transaction():
            if self.outbox_size() >= OUTBOX_MESSAGES_MAX:
                raise OutboxFull(f"{OUTBOX_MESSAGES_MAX} messages wait to be sent")
            next_sequence = self._one(
                "SELECT next_sequence FROM conversation WHERE id = ?", conversation.bytes
            )
            sequence = next_sequence[0] if next_sequence else 1
            self._run(
                "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)",
                message.bytes, conversation.bytes, sequence, content_type.value, body, now,
            )  # fmt: skip
            self._set_next(conversation, sequence + 1)
            self._run(
                "INSERT INTO message (id, state, changed_at) VALUES (?, ?, ?)",
                message.bytes, int(MessageState.WAITING), now,
            )  # fmt: skip
            self._run(
                "DELETE FROM message WHERE number <= (SELECT MAX(number) FROM message) - ?",
                MESSAGES_MAX,
            )
        return OutboxMessage(
            id=message,
            conversation=conversation,
            sequence=sequence,
            content_type=content_type,
            body=body,
            created_at=now,
        )

    def _set_next(self, conversation: UUID, sequence: int) -> None:
        self._run("INSERT OR REPLACE INTO conversation VALUES (?, ?)", conversation.bytes, sequence)

    def outbox(self, conversation: UUID | None = None) -> list[OutboxMessage]:
        only = "" if conversation is None else "WHERE conversation = ?"
        values = () if conversation is None else (conversation.bytes,)
        rows = self._all(f"SELECT * FROM outbox {only} ORDER BY conversation, sequence", *values)  # noqa: S608
        return [
            OutboxMessage(
                id=UUID(bytes=row[0]),
                conversation=UUID(bytes=row[1]),
                sequence=row[2],
                content_type=ContentType(row[3]),
                body=row[4],
                created_at=row[5],
            )
            for row in rows
        ]

    def outbox_size(self) -> int:
        return int(self._one("SELECT COUNT(*) FROM outbox")[0])

    def settle(self, message: UUID, sent_at: int) -> None:
        with self.transaction():
            if self._change("DELETE FROM outbox WHERE id = ?", message.bytes):
                self.raise_state([message], MessageState.SENT, sent_at)

    def give_up(self, message: UUID) -> None:
        with self.transaction():
            found = self._one(
                "SELECT conversation, sequence FROM outbox WHERE id = ?", message.bytes
            )
            if found is None:
                return
            conversation, sequence = UUID(bytes=found[0]), found[1]
            self._run("DELETE FROM outbox WHERE id = ?", message.bytes)
            self._run(
                "UPDATE message SET state = ? WHERE id = ?",
                int(MessageState.FAILED), message.bytes,
            )  # fmt: skip
            later = [m for m in self.outbox(conversation) if m.sequence > sequence]
            self._number(conversation, later, sequence)

    def renumber(self, conversation: UUID, first: int) -> None:
        with self.transaction():
            self._number(conversation, self.outbox(conversation), first)

    def _number(self, conversation: UUID, messages: Sequence[OutboxMessage], first: int) -> None:
        for sequence, message in enumerate(messages, first):
            self._run("UPDATE outbox SET sequence = ? WHERE id = ?", sequence, message.id.bytes)
        self._set_next(conversation, first + len(messages))

    def message_state(self, message: UUID) -> MessageState | None:
        found = self._one("SELECT state FROM message WHERE id = ?", message.bytes)
        return MessageState(found[0]) if found else None

    def raise_state(self, messages: Sequence[UUID], state: MessageState, at: int) -> None:
        with self.transaction():
            for message in messages:
                self._run(
                    "UPDATE message SET state = ?, changed_at = ? WHERE id = ? AND state < ?",
                    int(state), at, message.bytes, int(state),
                )  # fmt: skip

    def last_sequence(self, sender: Address, conversation: UUID) -> int | None:
        found = self._one(
            "SELECT last_sequence FROM stream WHERE sender = ? AND conversation = ?",
            _key(sender), conversation.bytes,
        )  # fmt: skip
        return found[0] if found else None

    def is_seen(self, sender: Address, conversation: UUID, message: UUID) -> bool:
        found = self._one(
            "SELECT 1 FROM seen WHERE sender = ? AND conversation = ? AND id = ?",
            _key(sender), conversation.bytes, message.bytes,
        )  # fmt: skip
        return found is not None

    def mark_seen(self, sender: Address, conversation: UUID, message: UUID, sequence: int) -> None:
        key, place = _key(sender), conversation.bytes
        with self.transaction():
            if sequence:
                self._run("INSERT OR REPLACE INTO stream VALUES (?, ?, ?)", key, place, sequence)
            self._run(
                "INSERT OR IGNORE INTO seen (sender, conversation, id) VALUES (?, ?, ?)",
                key, place, message.bytes,
            )  # fmt: skip
            self._run(
                "DELETE FROM seen WHERE sender = ? AND conversation = ? AND number <= (SELECT number"
                " FROM seen WHERE sender = ? AND conversation = ? ORDER BY number DESC"
                " LIMIT 1 OFFSET ?)",
                key, place, key, place, RECENT_IDS_MAX,
            )  # fmt: skip

    def put_inbox(self, entry: AnyEntry, expected: int | None) -> None:
        self._change(
            "INSERT INTO inbox (entry, expected) VALUES (?, ?)", encode_entry(entry), expected
        )

    def inbox(self, after: int, limit: int) -> list[InboxRow]:
        rows = self._all(
            "SELECT number, entry, expected FROM inbox WHERE number > ? ORDER BY number LIMIT ?",
            after, limit,
        )  # fmt: skip
        return [InboxRow(row=row, entry=decode_entry(entry), expected=e) for row, entry, e in rows]

    def inbox_size(self) -> int:
        return int(self._one("SELECT COUNT(*) FROM inbox")[0])

    def drop_inbox(self, row: int) -> None:
        self._change("DELETE FROM inbox WHERE number = ?", row)

    def position(self) -> int | None:
        found: int | None = self._setting("position")
        return found

    def set_position(self, position: int) -> None:
        with self.transaction():
            self._set("position", max(position, self.position() or 0))

    def note_contact(self, account: UUID, number: str | None, at: int) -> None:
        self._change(
            "INSERT INTO contact VALUES (?, ?, ?) ON CONFLICT (account) DO UPDATE SET"
            " number = COALESCE(excluded.number, number), seen_at = excluded.seen_at",
            account.bytes, number, at,
        )  # fmt: skip

    def contacts(self) -> dict[UUID, str | None]:
        rows = self._all("SELECT account, number FROM contact ORDER BY seen_at, rowid")
        return {UUID(bytes=account): number for account, number in rows}

    def close(self) -> None:
        self._connection.close()


def _key(sender: Address) -> bytes:
    return sender.account.bytes + bytes([sender.device])


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise ProfileDamaged(f"the profile cannot be used: {error}") from None
