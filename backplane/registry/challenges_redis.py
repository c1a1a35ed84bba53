"""One-time codes. The registration points to its number; the number's challenge decides."""

from backplane.registry.ports import Challenge
from backplane.registry.redis_client import RedisClient


class RedisChallenges:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def _pointer(self, registration_hash: bytes) -> str:
        return self._client.key("registration", registration_hash.hex())

    def _challenge(self, number: str) -> str:
        return self._client.key("challenge", number)

    async def put(self, registration_hash: bytes, challenge: Challenge, lifetime_ms: int) -> None:
        await self._client.command(
            "SET", self._pointer(registration_hash), challenge.number, "PX", lifetime_ms
        )
        await self._client.run(
            "challenge_put",
            [self._challenge(challenge.number)],
            (registration_hash, challenge.code_hash, challenge.attempts_max, lifetime_ms),
        )

    async def number(self, registration_hash: bytes) -> str | None:
        number = await self._number(registration_hash)
        if number is None:
            return None
        live = await self._client.command("HGET", self._challenge(number), "registration")
        return number if live == registration_hash else None

    async def attempt(self, registration_hash: bytes, code_hash: bytes) -> str | None:
        number = await self._number(registration_hash)
        if number is None:
            return None
        right = await self._client.run(
            "challenge_attempt", [self._challenge(number)], (registration_hash, code_hash)
        )
        return number if right else None

    async def _number(self, registration_hash: bytes) -> str | None:
        number: bytes | None = await self._client.command("GET", self._pointer(registration_hash))
        return number.decode() if number is not None else None
