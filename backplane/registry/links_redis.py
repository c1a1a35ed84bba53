"""Link codes. The code points to its account; the account's live code decides."""

from uuid import UUID

from backplane.registry.redis_client import RedisClient


class RedisLinks:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _pointer(self, code_hash: bytes) -> str:
        return self._client.key("link-code", code_hash.hex())

    def _live(self, account: UUID) -> str:
        return self._client.key("link", f"{{{account}}}")

    async def put(self, code_hash: bytes, account: UUID, lifetime_ms: int) -> None:
        await self._client.command(
            "SET", self._pointer(code_hash), account.bytes, "PX", lifetime_ms
        )
        await self._client.command("SET", self._live(account), code_hash, "PX", lifetime_ms)

    async def take(self, code_hash: bytes) -> UUID | None:
        pointer = await self._client.command("GET", self._pointer(code_hash))
        if pointer is None:
            return None
        account = UUID(bytes=pointer)
        taken = await self._client.run("link_take", [self._live(account)], (code_hash,))
        return account if taken else None
