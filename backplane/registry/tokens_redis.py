"""Access tokens. The hash points to the device; the device's own list says whether it lives.

Two keys in two slots of a cluster, so no script can change both. The list alone decides: `put`
writes the pointer first, and `revoke` deletes the list in one step, whatever pointers remain.
"""

from typing import Final
from uuid import UUID

from backplane.registry.ports import Grant
from backplane.registry.redis_client import RedisClient
from ringline.protocol.types import Address

DEVICE_TOKENS_MAX: Final = 16


class RedisTokens:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _pointer(self, token_hash: bytes) -> str:
        return self._client.key("token", token_hash.hex())

    def _list(self, address: Address) -> str:
        return self._client.key("tokens", f"{{{address.account}}}", address.device)

    async def put(self, token_hash: bytes, grant: Grant, lifetime_ms: int) -> None:
        address = grant.address
        pointer = f"{address.account} {address.device} {grant.expires_at}"
        await self._client.command("SET", self._pointer(token_hash), pointer, "PX", lifetime_ms)
        await self._client.run(
            "token_put", [self._list(address)], (token_hash, lifetime_ms, DEVICE_TOKENS_MAX)
        )

    async def get(self, token_hash: bytes) -> Grant | None:
        pointer = await self._client.command("GET", self._pointer(token_hash))
        if pointer is None:
            return None
        account, device, expires_at = pointer.decode().split()
        address = Address(UUID(account), int(device))
        if await self._client.command("ZSCORE", self._list(address), token_hash) is None:
            return None
        return Grant(address, int(expires_at))

    async def revoke(self, address: Address) -> int:
        return int(await self._client.run("token_revoke", [self._list(address)]))
