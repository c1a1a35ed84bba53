"""Accounts that the operator mints and removes, for checks of a running installation.

Their numbers begin with +999, a country code that is not assigned: nobody registers one. What the
operator's tool forgets to remove is removed after LIFETIME_MS.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from backplane.bus.ports import Bus, Revoked
from backplane.registry.ports import TokenRegistry
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.records import NewDeviceRecord, Records
from messaging.enrolment import replace_queues
from messaging.errors import refuse
from messaging.secret import Entropy, hash_secret, make_token
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address

NUMBER_PREFIX: Final = "+999"
NUMBER_DIGITS: Final = 12
LIFETIME_MS: Final = 24 * 3600 * 1000
SWEEP_ACCOUNTS_MAX: Final = 100
_BITS: Final = 14


class OperatorAccounts:
    def __init__(
        self,
        *,
        records: Records,
        queues: DeviceQueues,
        tokens: TokenRegistry,
        bus: Bus,
        clock: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self._records = records
        self._queues = queues
        self._tokens = tokens
        self._bus = bus
        self._clock = clock
        self._entropy = entropy

    async def mint(self, name: str) -> resources.DeviceCredential:
        """A new account with one device. Raises Refused (invalid), WorldError."""
        if not 1 <= len(name) <= limits.DEVICE_NAME_CHARACTERS_MAX:
            raise refuse(ProblemType.INVALID, "name: 1 to 64 characters")
        random = int.from_bytes(self._entropy(8), "big")
        number = f"{NUMBER_PREFIX}{random % 10**NUMBER_DIGITS:0{NUMBER_DIGITS}}"
        credential = make_token(self._entropy)
        device = NewDeviceRecord(name, random >> 64 - _BITS, hash_secret(credential))
        now = self._clock()
        made = await self._records.register(
            number, UUID(bytes=self._entropy(16), version=4), device, now
        )
        await replace_queues(self._records, self._queues, made.device, now)
        return resources.DeviceCredential(
            account=made.account,
            device=made.device.device,
            number=number,
            credential=credential,
        )

    async def remove(self, account: UUID) -> None:
        """Raises Refused (not-found) for what was not minted."""
        known = await self._records.account(account)
        if known is None or not known.number.startswith(NUMBER_PREFIX):
            raise refuse(ProblemType.NOT_FOUND)
        addresses = [
            Address(account, device.device) for device in await self._records.devices(account)
        ]
        # The account last: while it is there, what failed can be done again.
        for address in addresses:
            await self._queues.close(address)
            await self._tokens.revoke(address)
        await self._records.remove_account(account)
        await self._bus.tell_all(Revoked(addresses=addresses, replaced=False))

    async def sweep(self) -> int:
        """Remove those that were forgotten: how many."""
        before = self._clock() - LIFETIME_MS
        old = await self._records.accounts_from(NUMBER_PREFIX, before, SWEEP_ACCOUNTS_MAX)
        for each in old:
            await self.remove(each.account)
        return len(old)
