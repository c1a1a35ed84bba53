"""DeviceQueues in memory: the twin for tests and for running without a disk. Nothing survives."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

from backplane.errors import StorageFull
from backplane.storage.device_differences import differences
from backplane.storage.device_queues import (
    Append,
    DevicesDiffer,
    FetchRequest,
    IdReused,
    QueueDevice,
    QueueEntry,
    QueueHead,
    Removal,
    SendCommitted,
    SenderGone,
    SendOperation,
    SendOutcome,
    SequenceBroken,
)
from ringline.protocol.types import Address

K = TypeVar("K", int, UUID)

FETCH_BYTES_MAX: Final = 1024 * 1024
PAYLOAD_BYTES_MAX: Final = 512 * 1024 * 1024
"""Of all queues together; beyond that StorageFull, as on a full disk."""


@dataclass(slots=True)
class _Entry:
    payload: bytes
    expires_at: int
    key: bytes | None


@dataclass(slots=True)
class _Remembered:
    conversation: UUID
    sequence: int
    at: int
    expires_at: int


@dataclass(slots=True)
class _Queue:
    registration_id: int
    number: int
    """Of all queues ever opened: what expired at the same moment goes by it."""
    last_position: int = 0
    entries: dict[int, _Entry] = field(default_factory=dict)
    keys: set[bytes] = field(default_factory=set)
    sends: dict[UUID, _Remembered] = field(default_factory=dict)
    sequences: dict[UUID, int] = field(default_factory=dict)

    @property
    def payload_bytes(self) -> int:
        return sum(len(entry.payload) for entry in self.entries.values())

    def append(self, entry: _Entry) -> bool:
        if entry.key is not None:
            if entry.key in self.keys:
                return False
            self.keys.add(entry.key)
        self.last_position += 1
        self.entries[self.last_position] = entry
        return True

    def remove(self, position: int) -> int:
        """How many bytes of payload that freed."""
        entry = self.entries.pop(position, None)
        if entry is None:
            return 0
        if entry.key is not None:
            self.keys.discard(entry.key)
        return len(entry.payload)


class MemoryDeviceQueues:
    """Every method runs without yielding, so each is atomic within its event loop."""

    def __init__(self, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        self._accounts: dict[UUID, dict[int, _Queue]] = {}
        self._opened = 0
        self._payload_bytes = 0
        self._payload_bytes_max = payload_bytes_max

    async def open(self, account: UUID, device: QueueDevice, now: int) -> None:  # noqa: ARG002
        known = self._accounts.get(account, {}).get(device.device)
        if known is not None and known.registration_id == device.registration_id:
            return
        await self.close(Address(account, device.device))
        self._opened += 1
        queue = _Queue(device.registration_id, self._opened)
        self._accounts.setdefault(account, {})[device.device] = queue

    async def replace(self, account: UUID, device: QueueDevice, now: int) -> None:
        for number in list(self._accounts.get(account, {})):
            await self.close(Address(account, number))
        await self.open(account, device, now)

    async def close(self, address: Address) -> None:
        queues = self._accounts.get(address.account, {})
        queue = queues.pop(address.device, None)
        if queue is not None:
            self._payload_bytes -= queue.payload_bytes
        if not queues:
            self._accounts.pop(address.account, None)

    async def devices(self, account: UUID) -> tuple[QueueDevice, ...]:
        return self._devices(account)

    async def head(self, address: Address) -> QueueHead | None:
        queue = self._queue(address)
        if queue is None:
            return None
        return QueueHead(queue.registration_id, queue.last_position, len(queue.entries))

    async def send(self, operation: SendOperation) -> SendOutcome:
        queue = self._queue(operation.sender)
        if queue is None:
            return SenderGone()
        remembered = queue.sends.get(operation.message)
        if remembered is not None:
            if (remembered.conversation, remembered.sequence) != (
                operation.conversation,
                operation.sequence,
            ):
                return IdReused()
            return SendCommitted(remembered.at, True, ())
        expected = queue.sequences.get(operation.conversation, 0) + 1
        if operation.sequence != expected:
            return SequenceBroken(expected)
        found = differences(operation, self._registration_ids)
        if found:
            return DevicesDiffer(found)
        self._admit(len(p.payload) for r in operation.recipients for p in r.payloads)
        queue.sequences[operation.conversation] = operation.sequence
        queue.sends[operation.message] = _Remembered(
            operation.conversation, operation.sequence, operation.at, operation.expires_at
        )
        return SendCommitted(operation.at, False, tuple(self._append_all(operation)))

    async def change(
        self, removals: Sequence[Removal], appends: Sequence[Append]
    ) -> tuple[Address, ...]:
        freed_bytes = sum(self._held_bytes(removal) for removal in removals)
        sizes_bytes = [len(a.payload) * len(self._targets(a)) for a in appends]
        if sizes_bytes:
            self._admit([*sizes_bytes, -freed_bytes])
        for removal in removals:
            queue = self._queue(removal.address)
            for position in removal.positions:
                if queue is not None:
                    self._payload_bytes -= queue.remove(position)
        woken: dict[Address, None] = {}
        for append in appends:
            for device, queue in self._targets(append):
                if self._append(queue, _Entry(append.payload, append.expires_at, append.key)):
                    woken[Address(append.account, device)] = None
        return tuple(woken)

    async def fetch(
        self, requests: Sequence[FetchRequest], now: int
    ) -> tuple[tuple[QueueEntry, ...], ...]:
        return tuple(self._fetch(request, now) for request in requests)

    async def next_sequence(self, sender: Address, conversation: UUID) -> int:
        queue = self._queue(sender)
        return 1 if queue is None else queue.sequences.get(conversation, 0) + 1

    async def sweep(self, now: int, limit: int) -> int:
        queues = [queue for held in self._accounts.values() for queue in held.values()]
        expired = _oldest(queues, lambda q: q.entries, now, limit)
        for queue, position in expired:
            self._payload_bytes -= queue.remove(position)
        forgotten = _oldest(queues, lambda q: q.sends, now, limit - len(expired))
        for queue, message in forgotten:
            del queue.sends[message]
        return len(expired) + len(forgotten)

    async def probe(self) -> None:
        """Memory is always there."""

    async def shut(self) -> None:
        """Nothing to let go of."""

    def _queue(self, address: Address) -> _Queue | None:
        return self._accounts.get(address.account, {}).get(address.device)

    def _devices(self, account: UUID) -> tuple[QueueDevice, ...]:
        queues = self._accounts.get(account, {})
        return tuple(QueueDevice(n, queues[n].registration_id) for n in sorted(queues))

    def _registration_ids(self, account: UUID) -> dict[int, int]:
        return {d: q.registration_id for d, q in self._accounts.get(account, {}).items()}

    def _admit(self, sizes_bytes: Iterable[int]) -> None:
        if self._payload_bytes + sum(sizes_bytes) > self._payload_bytes_max:
            raise StorageFull("no room left in memory")

    def _held_bytes(self, removal: Removal) -> int:
        queue = self._queue(removal.address)
        entries = {} if queue is None else queue.entries
        return sum(len(entries[p].payload) for p in set(removal.positions) if p in entries)

    def _append(self, queue: _Queue, entry: _Entry) -> bool:
        appended = queue.append(entry)
        self._payload_bytes += len(entry.payload) if appended else 0
        return appended

    def _append_all(self, operation: SendOperation) -> list[Address]:
        appended = []
        for recipient in operation.recipients:
            for item in recipient.payloads:
                queue = self._accounts[recipient.account][item.device]
                self._append(queue, _Entry(item.payload, operation.expires_at, None))
                appended.append(Address(recipient.account, item.device))
        return appended

    def _targets(self, append: Append) -> list[tuple[int, _Queue]]:
        queues = self._accounts.get(append.account, {})
        if append.device is not None:
            queue = queues.get(append.device)
            return [] if queue is None else [(append.device, queue)]
        return [(n, queues[n]) for n in sorted(queues) if n != append.except_device]

    def _fetch(self, request: FetchRequest, now: int) -> tuple[QueueEntry, ...]:
        queue = self._queue(request.address)
        entries: list[QueueEntry] = []
        size_bytes = 0
        for position, entry in (queue.entries if queue is not None else {}).items():
            if position <= request.after or entry.expires_at <= now:
                continue
            size_bytes += len(entry.payload)
            if len(entries) == request.limit or (entries and size_bytes > FETCH_BYTES_MAX):
                break
            entries.append(QueueEntry(position, entry.payload))
        return tuple(entries)


def _oldest(
    queues: Iterable[_Queue],
    held: Callable[[_Queue], Mapping[K, _Entry] | Mapping[K, _Remembered]],
    now: int,
    limit: int,
) -> list[tuple[_Queue, K]]:
    """Up to `limit` of what has expired, the earliest expiry first."""
    expired = [
        (item.expires_at, queue.number, key, queue)
        for queue in queues
        for key, item in held(queue).items()
        if item.expires_at <= now
    ]
    expired.sort(key=lambda found: found[:3])
    return [(queue, key) for *_, key, queue in expired[:limit]]
