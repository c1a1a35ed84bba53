"""A mapping whose entries end by themselves, as keys of Redis do."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
SWEEP_ENTRIES_MIN: Final = 256


class ExpiringMap(Generic[K, V]):
    """Dead entries are dropped when the map has doubled since the last look: at most as many dead as live."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._entries: dict[K, tuple[V, int]] = {}
        self._sweep_at_entries = SWEEP_ENTRIES_MIN

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: K, value: V, lifetime_ms: int) -> None:
        self._entries[key] = (value, self._clock() + lifetime_ms)
        if len(self._entries) >= self._sweep_at_entries:
            self._sweep()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None or entry[1] <= self._clock():
            return None
        return entry[0]

    def rest_ms(self, key: K) -> int:
        """Until the entry ends; 0 when there is none."""
        entry = self._entries.get(key)
        return max(entry[1] - self._clock(), 0) if entry else 0

    def pop(self, key: K) -> V | None:
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def values(self) -> list[V]:
        self._sweep()
        return [value for value, _ in self._entries.values()]

    def _sweep(self) -> None:
        now = self._clock()
        self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}
        self._sweep_at_entries = max(SWEEP_ENTRIES_MIN, 2 * len(self._entries))
