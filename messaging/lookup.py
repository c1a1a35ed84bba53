"""Finding people by phone number: only numbers not asked about before in the day cost.

The registry remembers them as keyed hashes, per account. Nothing but «registered» is answered.
"""

import hashlib
import hmac

from backplane.registry.ports import Budget, Registry
from backplane.storage.records import Records
from messaging.errors import Refused, rate_limited
from messaging.number import Numbers
from ringline.protocol import resources
from ringline.protocol.types import Address

_DAY_S = 24 * 3600
_MEMBER_BYTES = 12


class Lookups:
    def __init__(
        self,
        *,
        records: Records,
        registry: Registry,
        numbers: Numbers,
        numbers_per_day: int,
        key: bytes,
    ) -> None:
        self._records = records
        self._registry = registry
        self._numbers = numbers
        self._numbers_per_day = numbers_per_day
        self._key = key

    async def find(self, caller: Address, request: resources.Lookup) -> resources.LookupResult:
        """Texts that are no number cost nothing and find nothing.

        Raises Refused (rate-limited) when the budget lets nothing of it through."""
        numbers = self._parse(request.numbers)
        budget = Budget(f"lookup:{caller.account}", self._numbers_per_day, _DAY_S)
        members = [self._member(caller, number) for number in numbers]
        allowed, left = await self._registry.limits.spend_distinct(budget, members)
        asked = [number for number, ok in zip(numbers, allowed, strict=True) if ok]
        if numbers and not asked:
            raise rate_limited(_DAY_S)
        found = await self._records.accounts_by_number(asked)
        return resources.LookupResult(
            found=[
                resources.Found(number=number, account=found[number])
                for number in asked
                if number in found
            ],
            new_numbers_left=left,
        )

    def _parse(self, texts: list[str]) -> list[str]:
        """E.164, each once, in the order asked."""
        numbers: dict[str, None] = {}
        for text in texts:
            try:
                numbers[self._numbers.parse(text).e164] = None
            except Refused:
                continue
        return list(numbers)

    def _member(self, caller: Address, number: str) -> bytes:
        asked = caller.account.bytes + number.encode()
        return hmac.digest(self._key, asked, hashlib.sha256)[:_MEMBER_BYTES]
