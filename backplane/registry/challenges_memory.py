"""One-time codes of one process."""

from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

from backplane.registry.expiring_memory import ExpiringMap
from backplane.registry.ports import Challenge


@dataclass(slots=True)
class _Live:
    registration_hash: bytes
    code_hash: bytes
    attempts_left: int


class MemoryChallenges:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._numbers: ExpiringMap[bytes, str] = ExpiringMap(clock)
        self._challenges: ExpiringMap[str, _Live] = ExpiringMap(clock)

    async def put(self, registration_hash: bytes, challenge: Challenge, lifetime_ms: int) -> None:
        live = _Live(registration_hash, challenge.code_hash, challenge.attempts_max)
        self._numbers.put(registration_hash, challenge.number, lifetime_ms)
        self._challenges.put(challenge.number, live, lifetime_ms)

    async def number(self, registration_hash: bytes) -> str | None:
        number, live = self._live(registration_hash)
        return number if live else None

    async def attempt(self, registration_hash: bytes, code_hash: bytes) -> str | None:
        number, live = self._live(registration_hash)
        if live is None or live.attempts_left < 1:
            return None
        live.attempts_left -= 1
        if not compare_digest(live.code_hash, code_hash):
            return None
        self._challenges.pop(number)
        return number

    def _live(self, registration_hash: bytes) -> tuple[str, _Live | None]:
        number = self._numbers.get(registration_hash) or ""
        live = self._challenges.get(number)
        ours = live is not None and live.registration_hash == registration_hash
        return number, live if ours else None
