"""What clients attempted, were promised and showed, written down as it happened, and its check.

The idea is Jepsen's: the clients keep a history that no server touches, and a pure function decides
afterwards whether that history is one that the promises allow:

    lost        acknowledged to the sender, never shown by a recipient device
    duplicate   shown twice by one device
    order       shown by a device in another order than the sender attempted it
    alien       shown, but attempted by nobody for that device
    altered     shown with another hash, sender, sequence or time than attempted or acknowledged
    unstable    acknowledged twice with different times

Attempts that were never acknowledged may be shown or not; both are allowed.
"""

import enum
import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec

from ringline.protocol.types import Address


class Record(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True):
    message: UUID


class Attempt(Record, tag="attempt", frozen=True, kw_only=True):
    """Written before the first byte of the send leaves; a retry of the same id is no new attempt."""

    sender: Address
    conversation: UUID
    sequence: int
    body_hash: str
    recipients: tuple[Address, ...]


class Acked(Record, tag="acked", frozen=True, kw_only=True):
    """`sent` reached the sender."""

    sender: Address
    sent_at: int


class Shown(Record, tag="shown", frozen=True, kw_only=True):
    """The person saw it on `device`; written before the device acknowledges."""

    device: Address
    position: int
    sender: Address
    sequence: int
    sent_at: int
    body_hash: str


AnyRecord = Attempt | Acked | Shown


class Fault(enum.Enum):
    LOST = "lost"
    DUPLICATE = "duplicate"
    ORDER = "order"
    ALIEN = "alien"
    ALTERED = "altered"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class Flaw:
    fault: Fault
    message: UUID
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    attempted: int
    acked: int
    shown: int
    flaws: tuple[Flaw, ...]

    @property
    def holds(self) -> bool:
        return not self.flaws

    def __str__(self) -> str:
        counts = f"{self.attempted} attempted, {self.acked} acknowledged, {self.shown} shown"
        lines = [f"{flaw.fault.value} {flaw.message}: {flaw.detail}" for flaw in self.flaws[:20]]
        return "\n".join([f"{counts}, {len(self.flaws)} flaws", *lines])


def body_hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


class Journal:
    """Append-only JSON lines; what `record` took is on the disk when `sync` returns.

    `record` is one thread's; `sync` may run in any, beside it. `durable` of all that were `recorded`
    are on the disk.
    """

    def __init__(self, path: Path) -> None:
        self.recorded = 0
        self.durable = 0
        self._file = path.open("ab", buffering=0)
        self._encoder = msgspec.json.Encoder()
        self._unsynced: list[bytes] = []
        self._lock = threading.Lock()

    def record(self, record: AnyRecord) -> None:
        self._unsynced.append(self._encoder.encode(record) + b"\n")
        self.recorded += 1

    def sync(self) -> None:
        with self._lock:
            # `record` only appends: what it adds from here on is behind these.
            count = len(self._unsynced)
            if count:
                self._file.write(b"".join(self._unsynced[:count]))
                os.fdatasync(self._file.fileno())
                del self._unsynced[:count]
                self.durable += count

    def close(self) -> None:
        self.sync()
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def read_journal(path: Path) -> Iterator[AnyRecord]:
    """Raise msgspec.DecodeError on a torn line: a journal whose owner died before `sync` returned."""
    decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)
    with path.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


def check(records: Iterable[AnyRecord]) -> Verdict:
    books = _Books()
    for record in records:
        books.enter(record)
    books.close()
    acked = len(books.acked)
    shown = sum(len(messages) for messages in books.seen.values())
    return Verdict(len(books.attempts), acked, shown, tuple(books.flaws))


@dataclass(slots=True)
class _Books:
    """One pass over the history; losses are known only at the end."""

    attempts: dict[UUID, Attempt] = field(default_factory=dict)
    rank: dict[UUID, int] = field(default_factory=dict)
    acked: dict[UUID, int] = field(default_factory=dict)
    seen: dict[Address, dict[UUID, int]] = field(default_factory=lambda: defaultdict(dict))
    """Per device: the time each message was shown with."""
    newest: dict[tuple[Address, Address, UUID], int] = field(default_factory=dict)
    """Per (device, sender, conversation): the highest rank shown."""
    flaws: list[Flaw] = field(default_factory=list)

    def enter(self, record: AnyRecord) -> None:
        if isinstance(record, Attempt):
            self._attempt(record)
        elif isinstance(record, Acked):
            self._acked(record)
        else:
            self._shown(record)

    def close(self) -> None:
        for message, sent_at in self.acked.items():
            attempt = self.attempts.get(message)
            for device in attempt.recipients if attempt else ():
                self._delivered(device, message, sent_at)

    def _delivered(self, device: Address, message: UUID, sent_at: int) -> None:
        shown_at = self.seen.get(device, {}).get(message)
        if shown_at is None:
            self._flaw(Fault.LOST, message, f"acknowledged, not shown by {device}")
        elif shown_at != sent_at:
            self._flaw(Fault.ALTERED, message, f"sent at {sent_at}, shown as {shown_at}")

    def _attempt(self, record: Attempt) -> None:
        if record.message in self.attempts:
            self._flaw(Fault.ALTERED, record.message, "attempted twice")
            return
        self.attempts[record.message] = record
        self.rank[record.message] = len(self.rank)

    def _acked(self, record: Acked) -> None:
        if record.message not in self.attempts:
            self._flaw(Fault.ALIEN, record.message, "acknowledged, never attempted")
        before = self.acked.setdefault(record.message, record.sent_at)
        if before != record.sent_at:
            self._flaw(Fault.UNSTABLE, record.message, f"{before}, then {record.sent_at}")

    def _shown(self, record: Shown) -> None:
        attempt = self.attempts.get(record.message)
        if attempt is None or record.device not in attempt.recipients:
            self._flaw(Fault.ALIEN, record.message, f"shown by {record.device}")
            return
        shown = self.seen[record.device]
        if record.message in shown:
            self._flaw(Fault.DUPLICATE, record.message, f"again at position {record.position}")
            return
        shown[record.message] = record.sent_at
        self._same(attempt, record)
        self._in_order(attempt, record)

    def _same(self, attempt: Attempt, shown: Shown) -> None:
        for name in ("sender", "sequence", "body_hash"):
            if getattr(attempt, name) != getattr(shown, name):
                self._flaw(Fault.ALTERED, shown.message, f"{name} differs on {shown.device}")

    def _in_order(self, attempt: Attempt, shown: Shown) -> None:
        rank = self.rank[shown.message]
        lane = (shown.device, attempt.sender, attempt.conversation)
        if rank < self.newest.get(lane, -1):
            self._flaw(Fault.ORDER, shown.message, f"late on {shown.device}")
        else:
            self.newest[lane] = rank

    def _flaw(self, fault: Fault, message: UUID, detail: str) -> None:
        self.flaws.append(Flaw(fault, message, detail))
