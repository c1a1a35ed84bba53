"""Presence leases: one hash per account, a few fields per device."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from backplane.registry.ports import AccountPresence, Lease, Location
from backplane.registry.redis_client import RedisClient
from ringline.protocol.types import Address

LAST_SEEN_KEPT_MS: Final = 90 * 24 * 3600 * 1000


class RedisPresence:
    def __init__(self, client: RedisClient, lease_ms: int) -> None:
        self._client = client
        self._lease_ms = lease_ms

    def _keys(self, account: UUID) -> list[str]:
        return [self._client.key("presence", f"{{{account}}}")]

    async def acquire(
        self, address: Address, node: str, session: str
    ) -> tuple[Lease, Location | None]:
        fence, *held = await self._client.run(
            "acquire",
            self._keys(address.account),
            (address.device, node, session, self._lease_ms, LAST_SEEN_KEPT_MS),
        )
        displaced = Location(held[0].decode(), held[1].decode(), held[2]) if held else None
        return Lease(address, node, session, fence), displaced

    async def renew(self, leases: Sequence[Lease]) -> list[bool]:
        calls = [
            (
                self._keys(lease.address.account),
                (
                    lease.address.device,
                    lease.node,
                    lease.session,
                    lease.fence,
                    self._lease_ms,
                    LAST_SEEN_KEPT_MS,
                ),
            )
            for lease in leases
        ]
        return [bool(renewed) for renewed in await self._client.run_each("renew", calls)]

    async def release(self, lease: Lease, at: int) -> bool:
        ours = await self._client.run(
            "release",
            self._keys(lease.address.account),
            (lease.address.device, lease.fence, at, LAST_SEEN_KEPT_MS),
        )
        return bool(ours)

    async def locate(self, addresses: Sequence[Address]) -> list[Location | None]:
        devices: dict[UUID, list[int]] = {}
        for address in addresses:
            devices.setdefault(address.account, []).append(address.device)
        answers = await self._client.run_each(
            "locate", [(self._keys(account), numbers) for account, numbers in devices.items()]
        )
        found: dict[Address, Location | None] = {}
        for (account, numbers), rows in zip(devices.items(), answers, strict=True):
            for number, row in zip(numbers, rows, strict=True):
                found[Address(account, number)] = _location(row)
        return [found[address] for address in addresses]

    async def presence(self, accounts: Sequence[UUID]) -> list[AccountPresence]:
        calls = [(self._keys(account), (self._lease_ms,)) for account in accounts]
        answers = await self._client.run_each("presence", calls)
        return [AccountPresence(bool(online), last_seen) for online, last_seen in answers]


def _location(row: tuple[bytes, bytes, int] | None) -> Location | None:
    return Location(row[0].decode(), row[1].decode(), row[2]) if row else None
