"""Records in memory: the twin. Nothing survives; every method is atomic within its event loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from backplane.storage.device_numbers import free_device_number
from backplane.storage.group_calls import GroupCalls
from backplane.storage.group_calls_memory import MemoryGroupCalls
from backplane.storage.records import (
    AccountRecord,
    CallPair,
    CallRow,
    ContactRecord,
    DeviceRecord,
    NewDeviceRecord,
    Replacement,
)
from ringline.protocol.types import Address, ContactState


@dataclass(slots=True)
class _Account:
    record: AccountRecord
    highest_device: int = 0
    devices: dict[int, DeviceRecord] = field(default_factory=dict)

    def add(self, number: int, device: NewDeviceRecord, now: int) -> DeviceRecord:
        record = DeviceRecord(
            self.record.account,
            number,
            device.name,
            device.registration_id,
            device.credential_hash,
            now,
            None,
        )
        self.devices[number] = record
        self.highest_device = number
        return record


class MemoryRecords:
    def __init__(self) -> None:
        self._accounts: dict[UUID, _Account] = {}
        self._numbers: dict[str, UUID] = {}
        self._contacts: dict[tuple[UUID, UUID], ContactState] = {}
        self._pairs: dict[tuple[UUID, UUID], tuple[CallPair, int | None]] = {}
        self._calls: dict[UUID, CallRow] = {}
        self.group_calls: GroupCalls = MemoryGroupCalls()

    async def register(
        self, number: str, fresh_account: UUID, device: NewDeviceRecord, now: int
    ) -> Replacement:
        account = self._numbers.setdefault(number, fresh_account)
        held = self._accounts.setdefault(account, _Account(AccountRecord(account, number, now)))
        replaced = tuple(sorted(held.devices))
        chosen = free_device_number(replaced, held.highest_device)
        assert chosen is not None, "an account has at most eight devices"
        held.devices.clear()
        return Replacement(account, held.add(chosen, device, now), replaced)

    async def add_device(
        self, account: UUID, device: NewDeviceRecord, devices_max: int, now: int
    ) -> DeviceRecord | None:
        held = self._accounts.get(account)
        if held is None or len(held.devices) >= devices_max:
            return None
        chosen = free_device_number(held.devices, held.highest_device)
        return None if chosen is None else held.add(chosen, device, now)

    async def remove_device(self, address: Address) -> bool:
        held = self._accounts.get(address.account)
        return held is not None and held.devices.pop(address.device, None) is not None

    async def device(self, address: Address) -> DeviceRecord | None:
        held = self._accounts.get(address.account)
        return None if held is None else held.devices.get(address.device)

    async def devices(self, account: UUID) -> tuple[DeviceRecord, ...]:
        held = self._accounts.get(account)
        return () if held is None else tuple(held.devices[n] for n in sorted(held.devices))

    async def seen(self, addresses: Sequence[Address], at: int) -> None:
        for address in addresses:
            held = self._accounts.get(address.account)
            if held is not None and address.device in held.devices:
                known = held.devices[address.device]
                held.devices[address.device] = replace(known, last_seen_at=at)

    async def account(self, account: UUID) -> AccountRecord | None:
        held = self._accounts.get(account)
        return None if held is None else held.record

    async def remove_account(self, account: UUID) -> bool:
        held = self._accounts.pop(account, None)
        if held is None:
            return False
        del self._numbers[held.record.number]
        for pair in [pair for pair in self._contacts if account in pair]:
            del self._contacts[pair]
        return True

    async def accounts_from(
        self, number_prefix: str, created_before: int, limit: int
    ) -> tuple[AccountRecord, ...]:
        found = [
            held.record
            for held in self._accounts.values()
            if held.record.number.startswith(number_prefix)
            and held.record.created_at < created_before
        ]
        found.sort(key=lambda record: record.created_at)
        return tuple(found[:limit])

    async def accounts_by_number(self, numbers: Sequence[str]) -> dict[str, UUID]:
        return {n: self._numbers[n] for n in numbers if n in self._numbers}

    async def contact(self, owner: UUID, peer: UUID) -> ContactState | None:
        return self._contacts.get((owner, peer))

    async def contacts(self, owner: UUID) -> tuple[ContactRecord, ...]:
        held = [(peer, state) for (who, peer), state in self._contacts.items() if who == owner]
        held.sort(key=lambda item: item[0].bytes)
        return tuple(ContactRecord(owner, peer, state) for peer, state in held)

    async def raise_contact(
        self,
        owner: UUID,
        peer: UUID,
        state: ContactState,
        now: int,  # noqa: ARG002
    ) -> None:
        if self._contacts.get((owner, peer)) is not ContactState.ACCEPTED:
            self._contacts[owner, peer] = state

    async def remove_contact(self, owner: UUID, peer: UUID) -> bool:
        return self._contacts.pop((owner, peer), None) is not None

    async def call_pair(self, pair: tuple[UUID, UUID]) -> CallPair:
        held = self._pairs.get(pair)
        return CallPair(0, b"") if held is None else held[0]

    async def commit_call(
        self,
        pair: tuple[UUID, UUID],
        expected_version: int,
        document: bytes,
        rows: Sequence[CallRow],
        deadline: int | None,
    ) -> bool:
        if (await self.call_pair(pair)).version != expected_version:
            return False
        self._pairs[pair] = (CallPair(expected_version + 1, document), deadline)
        for row in rows:
            known = self._calls.get(row.call, row)
            if {known.caller, known.callee} == {row.caller, row.callee}:
                self._calls[row.call] = row
        return True

    async def call(self, call: UUID) -> CallRow | None:
        return self._calls.get(call)

    async def due_calls(self, now: int, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        due = [
            (deadline, pair)
            for pair, (_, deadline) in self._pairs.items()
            if deadline is not None and deadline <= now
        ]
        due.sort(key=lambda item: item[0])
        return tuple(pair for _, pair in due[:limit])

    async def probe(self) -> None:
        """Memory is always there."""

    async def shut(self) -> None:
        """Nothing to let go of."""
