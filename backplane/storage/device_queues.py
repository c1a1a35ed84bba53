"""DeviceQueues, the port: what waits for each device, durable and in order.

The store is also the authority on which devices exist to be written to: a send is compared with
it inside the committing transaction, so that no list read earlier can be out of date.
Adapters: `device_queues_sqlite.py`, `device_queues_memory.py`. All times are UTC milliseconds.
Every method may raise Unavailable, Overloaded or StorageFull; then nothing of the call took effect,
or (Unavailable after a lost answer) it did so whole, and a repeat is harmless.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from ringline.protocol.problems import DeviceDifference
from ringline.protocol.types import Address


@dataclass(frozen=True, slots=True)
class QueueDevice:
    device: int
    registration_id: int


@dataclass(frozen=True, slots=True)
class QueueEntry:
    position: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class QueueHead:
    registration_id: int
    last_position: int
    """The newest position ever given in this queue; 0 before the first."""
    backlog: int


@dataclass(frozen=True, slots=True)
class DevicePayload:
    device: int
    registration_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class RecipientPayloads:
    """One account's part of a send. Must list its current devices exactly; the sender's own
    account without the sending device. See device_differences.py for the corner cases."""

    account: UUID
    payloads: tuple[DevicePayload, ...]


@dataclass(frozen=True, slots=True)
class SendOperation:
    sender: Address
    message: UUID
    conversation: UUID
    sequence: int
    recipients: tuple[RecipientPayloads, ...]
    """The sender's own account is compared too, also where it is not named."""
    at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class SendCommitted:
    """Durable. `at` is the first commit's time when this was a repeat."""

    at: int
    repeated: bool
    appended: tuple[Address, ...]
    """Devices to wake; empty for a repeat."""


@dataclass(frozen=True, slots=True)
class DevicesDiffer:
    differences: tuple[DeviceDifference, ...]


@dataclass(frozen=True, slots=True)
class SequenceBroken:
    expected: int


@dataclass(frozen=True, slots=True)
class IdReused:
    """The sender device has used this id with another conversation or sequence."""


@dataclass(frozen=True, slots=True)
class SenderGone:
    """The sending device has no queue (any more)."""


SendOutcome = SendCommitted | DevicesDiffer | SequenceBroken | IdReused | SenderGone


@dataclass(frozen=True, slots=True)
class Append:
    """One entry for one device, or (device None) for every device of the account but `except_device`.

    Dropped without a word where there is no such queue. `key` makes a repeat harmless: a queue
    takes a key once for as long as it still holds that entry.
    """

    account: UUID
    payload: bytes
    expires_at: int
    device: int | None = None
    except_device: int | None = None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """Acknowledged positions of one device's queue; unknown ones are passed over."""

    address: Address
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FetchRequest:
    address: Address
    after: int
    limit: int


class DeviceQueues(Protocol):
    async def open(self, account: UUID, device: QueueDevice, now: int) -> None:
        """Create the queue. The same device again: nothing; another registration id: a new, empty queue."""

    async def replace(self, account: UUID, device: QueueDevice, now: int) -> None:
        """Close all queues of the account and open this one, in one transaction."""

    async def close(self, address: Address) -> None:
        """Delete the queue with all it holds, and the device's sequences and remembered sends."""

    async def devices(self, account: UUID) -> tuple[QueueDevice, ...]:
        """By device number; empty for an unknown account."""

    async def head(self, address: Address) -> QueueHead | None: ...

    async def send(self, operation: SendOperation) -> SendOutcome:
        """Check and append in one transaction, durable when this returns.

        Steps: sender's queue exists; a known (sender, message) answers as before; the sequence is the
        last of (sender, conversation) + 1; each recipient's list equals the current one; append.
        """

    async def change(
        self, removals: Sequence[Removal], appends: Sequence[Append]
    ) -> tuple[Address, ...]:
        """Remove and append in one transaction, durable when this returns: the devices to wake."""

    async def fetch(
        self, requests: Sequence[FetchRequest], now: int
    ) -> tuple[tuple[QueueEntry, ...], ...]:
        """For each request the next entries by position, expired ones left out; ≤ `limit` entries and ≤ 1 MiB."""

    async def next_sequence(self, sender: Address, conversation: UUID) -> int:
        """What `send` would expect now."""

    async def sweep(self, now: int, limit: int) -> int:
        """Delete up to `limit` expired entries and, with what is left of it, remembered sends past
        their expiry, the earliest first: how many together."""

    async def probe(self) -> None:
        """Write and commit something small, as a send would. Raises as a send would."""

    async def shut(self) -> None:
        """Finish what was accepted and let go of the files."""
