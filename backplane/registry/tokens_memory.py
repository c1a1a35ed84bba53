"""Access tokens of one process."""

from collections.abc import Callable
from typing import Final

from backplane.registry.expiring_memory import ExpiringMap
from backplane.registry.ports import Grant
from ringline.protocol.types import Address

DEVICE_TOKENS_MAX: Final = 16


class MemoryTokens:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._grants: ExpiringMap[bytes, Grant] = ExpiringMap(clock)
        self._lists: ExpiringMap[Address, list[bytes]] = ExpiringMap(clock)
        """By device, those that end first in front."""

    async def put(self, token_hash: bytes, grant: Grant, lifetime_ms: int) -> None:
        others = [one for one in self._live(grant.address) if one != token_hash]
        while len(others) >= DEVICE_TOKENS_MAX:
            self._grants.pop(others.pop(0))
        self._grants.put(token_hash, grant, lifetime_ms)
        others.append(token_hash)
        others.sort(key=self._grants.rest_ms)
        self._lists.put(grant.address, others, self._grants.rest_ms(others[-1]))

    async def get(self, token_hash: bytes) -> Grant | None:
        return self._grants.get(token_hash)

    async def revoke(self, address: Address) -> int:
        live = self._live(address)
        for token_hash in live:
            self._grants.pop(token_hash)
        self._lists.pop(address)
        return len(live)

    def _live(self, address: Address) -> list[bytes]:
        hashes = self._lists.get(address) or []
        return [one for one in hashes if self._grants.get(one) is not None]
