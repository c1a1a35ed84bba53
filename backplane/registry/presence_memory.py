"""Presence leases of one process, with the same fences as in Redis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from backplane.registry.expiring_memory import ExpiringMap
from backplane.registry.ports import AccountPresence, Lease, Location
from ringline.protocol.types import Address

LAST_SEEN_KEPT_MS: Final = 90 * 24 * 3600 * 1000


@dataclass(slots=True)
class _Held:
    location: Location
    until: int


@dataclass(slots=True)
class _Account:
    seen: int | None = None
    held: dict[int, _Held] = field(default_factory=dict)
    fences: dict[int, int] = field(default_factory=dict)
    """The last fence by device. It moves on at a release, so that a renewal already under way
    cannot bring the lease back."""


class MemoryPresence:
    def __init__(self, clock: Callable[[], int], lease_ms: int) -> None:
        self._clock = clock
        self._lease_ms = lease_ms
        self._accounts: ExpiringMap[UUID, _Account] = ExpiringMap(clock)

    async def acquire(
        self, address: Address, node: str, session: str
    ) -> tuple[Lease, Location | None]:
        account = self._account(address.account)
        displaced = self._live(account, address.device)
        fence = max(account.fences.get(address.device, 0) + 1, self._clock() * 1000)
        lease = Lease(address, node, session, fence)
        self._hold(account, lease)
        return lease, displaced

    async def renew(self, leases: Sequence[Lease]) -> list[bool]:
        return [self._renew(lease) for lease in leases]

    async def release(self, lease: Lease, at: int) -> bool:
        account = self._account(lease.address.account)
        account.seen = max(account.seen or 0, at)
        device = lease.address.device
        if account.fences.get(device, 0) > lease.fence:
            return False
        account.held.pop(device, None)
        account.fences[device] = lease.fence + 1
        return True

    async def locate(self, addresses: Sequence[Address]) -> list[Location | None]:
        return [self._locate(address) for address in addresses]

    async def presence(self, accounts: Sequence[UUID]) -> list[AccountPresence]:
        return [self._presence(account) for account in accounts]

    def _account(self, name: UUID) -> _Account:
        account = self._accounts.get(name) or _Account()
        self._accounts.put(name, account, LAST_SEEN_KEPT_MS)
        return account

    def _hold(self, account: _Account, lease: Lease) -> None:
        device = lease.address.device
        location = Location(lease.node, lease.session, lease.fence)
        account.held[device] = _Held(location, self._clock() + self._lease_ms)
        account.fences[device] = lease.fence

    def _live(self, account: _Account, device: int) -> Location | None:
        held = account.held.get(device)
        return held.location if held and held.until > self._clock() else None

    def _renew(self, lease: Lease) -> bool:
        account = self._account(lease.address.account)
        if account.fences.get(lease.address.device, 0) > lease.fence:
            return False
        self._hold(account, lease)
        return True

    def _locate(self, address: Address) -> Location | None:
        account = self._accounts.get(address.account)
        return self._live(account, address.device) if account else None

    def _presence(self, name: UUID) -> AccountPresence:
        """A lease that ended by itself was last renewed one lease's life before its end."""
        account = self._accounts.get(name)
        if account is None:
            return AccountPresence(False, None)
        now = self._clock()
        seen = [] if account.seen is None else [account.seen]
        ends = [held.until for held in account.held.values()]
        seen += [until - self._lease_ms for until in ends if until <= now]
        return AccountPresence(any(until > now for until in ends), max(seen, default=None))
