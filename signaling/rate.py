"""Token buckets: a rate in the long run, a burst in the short. Times are UTC milliseconds."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

BUCKETS_MAX: Final = 100_000
"""Beyond that the bucket that was used longest ago is forgotten, which fills it."""


class TokenBucket:
    __slots__ = ("_burst", "_per_s", "_tokens", "_updated_at")

    def __init__(self, per_s: float, burst: float, now: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._updated_at = now

    def take(self, now: int, amount: float = 1) -> bool:
        """Take `amount` if it is there."""
        self._fill(now)
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True

    def wait_ms(self, now: int, amount: float = 1) -> int:
        """How long until `amount` (or a full bucket, if that is less) is there; 0: now."""
        self._fill(now)
        lacking = min(amount, self._burst) - self._tokens
        return max(0, -int(-lacking * 1000 // self._per_s))

    def draw(self, now: int, amount: float) -> None:
        """Take what there is of it: for work that was let in already."""
        self._fill(now)
        self._tokens = max(0.0, self._tokens - amount)

    def _fill(self, now: int) -> None:
        # A clock that steps back fills nothing and starts anew from there.
        elapsed_ms = max(0, now - self._updated_at)
        self._updated_at = now
        self._tokens = min(self._burst, self._tokens + elapsed_ms * self._per_s / 1000)


class TokenBuckets:
    """One bucket per key, all alike; bounded."""

    def __init__(self, per_s: float, burst: float, buckets_max: int = BUCKETS_MAX) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, key: Hashable, now: int) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
            return bucket
        if len(self._buckets) >= self._buckets_max:
            self._buckets.popitem(last=False)
        bucket = self._buckets[key] = TokenBucket(self._per_s, self._burst, now)
        return bucket
