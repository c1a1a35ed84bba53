"""An account's devices: list, link by a code that another device shows, revoke.

A revocation goes Records, queue, tokens, bus; each step alone already keeps the device out of
something. After a crash in between, asking again does the rest, though it is answered not-found.
"""

from collections.abc import Callable
from uuid import UUID

from backplane.bus.ports import Bus, Revoked
from backplane.registry.ports import Budget, Registry
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.records import DeviceRecord, NewDeviceRecord, Records
from messaging.access import Access
from messaging.address_budget import address_group
from messaging.enrolment import open_queue
from messaging.errors import rate_limited, refuse
from messaging.secret import (
    Entropy,
    canonical_link_code,
    hash_secret,
    make_link_code,
    make_token,
)
from messaging.settings import RegistrationLimits
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address


class Devices:
    def __init__(
        self,
        *,
        records: Records,
        queues: DeviceQueues,
        registry: Registry,
        bus: Bus,
        access: Access,
        settings: RegistrationLimits,
        clock: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self._records = records
        self._queues = queues
        self._registry = registry
        self._bus = bus
        self._access = access
        self._limits = settings
        self._clock = clock
        self._entropy = entropy

    async def describe(self, caller: Address) -> resources.Account:
        account = await self._records.account(caller.account)
        if account is None:
            raise refuse(ProblemType.UNAUTHENTICATED)
        devices = await self._records.devices(caller.account)
        return resources.Account(
            account=account.account,
            number=account.number,
            device=caller.device,
            devices=[_describe(device) for device in devices],
        )

    async def addresses(self, caller: Address, account: UUID) -> resources.DeviceAddresses:
        """What a send must list; one's own account without the asking device. Raises Refused (not-found)."""
        queues = await self._queues.devices(account)
        if not queues:
            raise refuse(ProblemType.NOT_FOUND)
        return resources.DeviceAddresses(
            account=account,
            devices=[
                resources.DeviceAddress(device=queue.device, registration_id=queue.registration_id)
                for queue in queues
                if Address(account, queue.device) != caller
            ],
        )

    async def show_link_code(self, caller: Address) -> resources.LinkCode:
        """For 60 seconds, for one device. Raises Refused (devices-full, rate-limited)."""
        allowed = self._limits.link_codes_per_account_hour
        await self._spend(Budget(f"link:account:{caller.account}", allowed, 3600))
        if len(await self._records.devices(caller.account)) >= limits.ACCOUNT_DEVICES_MAX:
            raise refuse(ProblemType.DEVICES_FULL)
        code = make_link_code(self._entropy)
        lifetime_ms = limits.LINK_CODE_LIFETIME_S * 1000
        await self._registry.links.put(
            hash_secret(canonical_link_code(code)), caller.account, lifetime_ms
        )
        return resources.LinkCode(link_code=code, expires_at=self._clock() + lifetime_ms)

    async def link(self, request: resources.LinkedDevice, peer: str) -> resources.DeviceCredential:
        """Raises Refused (code-refused, devices-full, rate-limited)."""
        await self._spend(
            Budget(
                f"link:address:{address_group(peer)}",
                self._limits.link_attempts_per_address_hour,
                3600,
            ),
            Budget("link:global", self._limits.link_attempts_hour, 3600),
        )
        code_hash = hash_secret(canonical_link_code(request.link_code))
        account = await self._registry.links.take(code_hash)
        if account is None:
            raise refuse(ProblemType.CODE_REFUSED)
        return await self._add(account, request.device)

    async def revoke(self, caller: Address, device: int) -> None:
        """Raises Refused (not-found)."""
        address = Address(caller.account, device)
        known = await self._records.remove_device(address)
        await self._queues.close(address)
        await self._registry.tokens.revoke(address)
        self._access.forget(address)
        await self._bus.tell_all(Revoked(addresses=[address], replaced=False))
        if not known:
            raise refuse(ProblemType.NOT_FOUND)

    async def _add(self, account: UUID, device: resources.NewDevice) -> resources.DeviceCredential:
        credential = make_token(self._entropy)
        record = NewDeviceRecord(device.name, device.registration_id, hash_secret(credential))
        now = self._clock()
        added = await self._records.add_device(account, record, limits.ACCOUNT_DEVICES_MAX, now)
        owner = await self._records.account(account)
        if added is None or owner is None:
            raise refuse(ProblemType.DEVICES_FULL)
        if not await open_queue(self._records, self._queues, added, now):
            raise refuse(ProblemType.CODE_REFUSED)
        return resources.DeviceCredential(
            account=account, device=added.device, number=owner.number, credential=credential
        )

    async def _spend(self, *budgets: Budget) -> None:
        exhausted = await self._registry.limits.spend(budgets)
        if exhausted is not None:
            raise rate_limited(exhausted.retry_after_s)


def _describe(device: DeviceRecord) -> resources.Device:
    return resources.Device(
        device=device.device,
        name=device.name,
        registration_id=device.registration_id,
        created_at=device.created_at,
        last_seen_at=device.last_seen_at,
    )
