"""Access tokens: bought with a device's credential, kept for 30 minutes in the registry.

A token is good while the registry knows it and Records knows the device. The second question is
asked at most every two seconds per device, which is also how late a revocation can be noticed here
should the registry have failed to forget the token.
"""

import hmac
from collections.abc import Callable

from backplane.registry.ports import Budget, Grant, Registry
from backplane.storage.records import DeviceRecord, Records
from messaging.address_budget import address_group
from messaging.errors import rate_limited, refuse
from messaging.secret import Entropy, hash_secret, make_token
from messaging.settings import RegistrationLimits
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address

EXISTS_TTL_MS = 2_000
EXISTS_ENTRIES_MAX = 20_000
_NOBODY = hash_secret("nobody")


class Access:
    def __init__(
        self,
        *,
        records: Records,
        registry: Registry,
        settings: RegistrationLimits,
        clock: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self._records = records
        self._registry = registry
        self._limits = settings
        self._clock = clock
        self._entropy = entropy
        self._exists: dict[Address, int] = {}

    async def issue(self, request: resources.NewAccessToken, peer: str) -> resources.AccessToken:
        """Raises Refused (credential-refused, rate-limited), WorldError."""
        address = Address(request.account, request.device)
        await self._spend(
            Budget(
                f"token:address:{address_group(peer)}", self._limits.tokens_per_address_minute, 60
            )
        )
        if not _matches(await self._records.device(address), request.credential):
            raise refuse(ProblemType.CREDENTIAL_REFUSED)
        await self._spend(
            Budget(f"token:device:{address}", self._limits.tokens_per_device_hour, 3600)
        )
        token, lifetime_ms = make_token(self._entropy), limits.ACCESS_TOKEN_LIFETIME_S * 1000
        grant = Grant(address, self._clock() + lifetime_ms)
        await self._registry.tokens.put(hash_secret(token), grant, lifetime_ms)
        # A revocation between the check and the put has found no token to end.
        if not _matches(await self._records.device(address), request.credential):
            await self._registry.tokens.revoke(address)
            raise refuse(ProblemType.CREDENTIAL_REFUSED)
        return resources.AccessToken(access_token=token, expires_at=grant.expires_at)

    async def authenticate(self, token: str) -> Grant:
        """Raises Refused (unauthenticated), WorldError."""
        grant = await self._registry.tokens.get(hash_secret(token))
        now = self._clock()
        if grant is None or grant.expires_at <= now:
            raise refuse(ProblemType.UNAUTHENTICATED)
        if now - self._exists.get(grant.address, -EXISTS_TTL_MS) >= EXISTS_TTL_MS:
            await self._check_exists(grant.address, now)
        return grant

    def forget(self, address: Address) -> None:
        """The device is gone: ask Records the next time."""
        self._exists.pop(address, None)

    async def _check_exists(self, address: Address, now: int) -> None:
        self._exists.pop(address, None)
        if await self._records.device(address) is None:
            raise refuse(ProblemType.UNAUTHENTICATED)
        while len(self._exists) >= EXISTS_ENTRIES_MAX:
            del self._exists[next(iter(self._exists))]
        self._exists[address] = now

    async def _spend(self, budget: Budget) -> None:
        exhausted = await self._registry.limits.spend([budget])
        if exhausted is not None:
            raise rate_limited(exhausted.retry_after_s)


def _matches(record: DeviceRecord | None, credential: str) -> bool:
    """In the same time whether the device exists or not."""
    known = _NOBODY if record is None else record.credential_hash
    return hmac.compare_digest(known, hash_secret(credential)) and record is not None
