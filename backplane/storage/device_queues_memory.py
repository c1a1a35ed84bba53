"""DeviceQueues in memory: the twin for tests and for running without a disk. Nothing survives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

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

FETCH_BYTES_MAX = 1024 * 1024


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
    last_position: int = 0
    entries: dict[int, _Entry] = field(default_factory=dict)
    sends: dict[UUID, _Remembered] = field(default_factory=dict)
    sequences: dict[UUID, int] = field(default_factory=dict)

    def append(self, entry: _Entry) -> bool:
        if entry.key is not None and any(e.key == entry.key for e in self.entries.values()):
            return False
        self.last_position += 1
        self.entries[self.last_position] = entry
        return True


class MemoryDeviceQueues:
    """Every method runs without yielding, so each is atomic within its event loop."""

    def __init__(self) -> None:
        self._accounts: dict[UUID, dict[int, _Queue]] = {}

    async def open(self, account: UUID, device: QueueDevice, now: int) -> None:  # noqa: ARG002
        queues = self._accounts.setdefault(account, {})
        known = queues.get(device.device)
        if known is None or known.registration_id != device.registration_id:
            queues[device.device] = _Queue(device.registration_id)

    async def replace(self, account: UUID, device: QueueDevice, now: int) -> None:
        self._accounts.pop(account, None)
        await self.open(account, device, now)

    async def close(self, address: Address) -> None:
        self._accounts.get(address.account, {}).pop(address.device, None)

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
        found = [
            difference
            for recipient in operation.recipients
            for difference in differences(
                recipient, self._devices(recipient.account), operation.sender
            )
        ]
        if found:
            return DevicesDiffer(tuple(found))
        queue.sequences[operation.conversation] = operation.sequence
        queue.sends[operation.message] = _Remembered(
            operation.conversation, operation.sequence, operation.at, operation.expires_at
        )
        return SendCommitted(operation.at, False, tuple(self._append_all(operation)))

    async def change(
        self, removals: Sequence[Removal], appends: Sequence[Append]
    ) -> tuple[Address, ...]:
        for removal in removals:
            queue = self._queue(removal.address)
            for position in removal.positions:
                if queue is not None:
                    queue.entries.pop(position, None)
        woken: dict[Address, None] = {}
        for append in appends:
            for device, queue in self._targets(append):
                if queue.append(_Entry(append.payload, append.expires_at, append.key)):
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
        swept = 0
        for queues in self._accounts.values():
            for queue in queues.values():
                swept += _sweep(queue.entries, now, limit - swept)
        forgotten = 0
        for queues in self._accounts.values():
            for queue in queues.values():
                forgotten += _sweep(queue.sends, now, limit - forgotten)
        return swept + forgotten

    async def probe(self) -> None:
        """Memory is always there."""

    async def shut(self) -> None:
        """Nothing to let go of."""

    def _queue(self, address: Address) -> _Queue | None:
        return self._accounts.get(address.account, {}).get(address.device)

    def _devices(self, account: UUID) -> tuple[QueueDevice, ...]:
        queues = self._accounts.get(account, {})
        return tuple(QueueDevice(n, queues[n].registration_id) for n in sorted(queues))

    def _append_all(self, operation: SendOperation) -> list[Address]:
        appended = []
        for recipient in operation.recipients:
            for item in recipient.payloads:
                queue = self._accounts[recipient.account][item.device]
                queue.append(_Entry(item.payload, operation.expires_at, None))
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


def _sweep(items: "dict[int, _Entry] | dict[UUID, _Remembered]", now: int, room: int) -> int:
    expired = [key for key, item in items.items() if item.expires_at <= now][: max(room, 0)]
    for key in expired:
        del items[key]  # type: ignore[arg-type]
    return len(expired)
