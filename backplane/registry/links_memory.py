"""Link codes of one process."""

from collections.abc import Callable
from uuid import UUID

from backplane.registry.expiring_memory import ExpiringMap


class MemoryLinks:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._accounts: ExpiringMap[bytes, UUID] = ExpiringMap(clock)
        self._codes: ExpiringMap[UUID, bytes] = ExpiringMap(clock)

    async def put(self, code_hash: bytes, account: UUID, lifetime_ms: int) -> None:
        before = self._codes.get(account)
        if before is not None:
            self._accounts.pop(before)
        self._codes.put(account, code_hash, lifetime_ms)
        self._accounts.put(code_hash, account, lifetime_ms)

    async def take(self, code_hash: bytes) -> UUID | None:
        account = self._accounts.pop(code_hash)
        if account is not None:
            self._codes.pop(account)
        return account
