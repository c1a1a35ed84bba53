"""Records, the port: accounts, devices, contacts and call records.

Adapters: `records_sql.py` (SQLAlchemy Core: SQLite embedded, PostgreSQL at scale),
`records_memory.py`. All times are UTC milliseconds. Every method may raise Unavailable or
StorageFull; then nothing of the call took effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from backplane.storage.group_calls import GroupCalls
from ringline.protocol.types import Address, ContactState


@dataclass(frozen=True, slots=True)
class NewDeviceRecord:
    name: str
    registration_id: int
    credential_hash: bytes
    """SHA-256 of the credential."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    account: UUID
    device: int
    name: str
    registration_id: int
    credential_hash: bytes
    created_at: int
    last_seen_at: int | None


@dataclass(frozen=True, slots=True)
class AccountRecord:
    account: UUID
    number: str
    """E.164."""
    created_at: int


@dataclass(frozen=True, slots=True)
class Replacement:
    account: UUID
    device: DeviceRecord
    replaced: tuple[int, ...]
    """Device numbers that were removed."""


@dataclass(frozen=True, slots=True)
class ContactRecord:
    owner: UUID
    peer: UUID
    state: ContactState


@dataclass(frozen=True, slots=True)
class CallPair:
    """What two accounts' calls with each other stand on; `document` belongs to signaling/."""

    version: int
    """0: nothing stored yet."""
    document: bytes


@dataclass(frozen=True, slots=True)
class CallRow:
    call: UUID
    caller: UUID
    callee: UUID
    document: bytes


class Records(Protocol):
    group_calls: GroupCalls

    async def register(
        self, number: str, fresh_account: UUID, device: NewDeviceRecord, now: int
    ) -> Replacement:
        """In one transaction: find the number's account or create `fresh_account`, remove all its devices, add this one.

        The new device's number is none of those removed (1 for a new account).
        """

    async def add_device(
        self, account: UUID, device: NewDeviceRecord, devices_max: int, now: int
    ) -> DeviceRecord | None:
        """The lowest free number above the highest ever used, wrapping after 127; None when there are `devices_max`, or no account."""

    async def remove_device(self, address: Address) -> bool: ...

    async def device(self, address: Address) -> DeviceRecord | None: ...

    async def devices(self, account: UUID) -> tuple[DeviceRecord, ...]: ...

    async def seen(self, addresses: Sequence[Address], at: int) -> None:
        """Note when these devices were last connected."""

    async def account(self, account: UUID) -> AccountRecord | None: ...

    async def remove_account(self, account: UUID) -> bool:
        """With its devices and contacts; the records of its calls stay, for the others."""

    async def accounts_from(
        self, number_prefix: str, created_before: int, limit: int
    ) -> tuple[AccountRecord, ...]:
        """Accounts whose number begins so, oldest first."""

    async def accounts_by_number(self, numbers: Sequence[str]) -> dict[str, UUID]: ...

    async def contact(self, owner: UUID, peer: UUID) -> ContactState | None: ...

    async def contacts(self, owner: UUID) -> tuple[ContactRecord, ...]: ...

    async def raise_contact(self, owner: UUID, peer: UUID, state: ContactState, now: int) -> None:
        """Set the state unless it is already ACCEPTED (REQUESTED never lowers it)."""

    async def remove_contact(self, owner: UUID, peer: UUID) -> bool: ...

    async def call_pair(self, pair: tuple[UUID, UUID]) -> CallPair:
        """`pair` is sorted."""

    async def commit_call(
        self,
        pair: tuple[UUID, UUID],
        expected_version: int,
        document: bytes,
        rows: Sequence[CallRow],
        deadline: int | None,
    ) -> bool:
        """Compare and set, with the rows, in one transaction; False when the version has moved on."""

    async def call(self, call: UUID) -> CallRow | None: ...

    async def due_calls(self, now: int, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        """Pairs whose deadline has passed, oldest first."""

    async def probe(self) -> None:
        """One round trip that writes nothing."""

    async def shut(self) -> None: ...
