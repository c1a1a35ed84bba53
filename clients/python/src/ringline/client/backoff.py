"""How long to wait before the next attempt: doubled each time, jittered, bounded."""

from collections.abc import Callable
from typing import Final

FIRST_MS: Final = 500
LONGEST_MS: Final = 30_000


class Backoff:
    """`uniform` gives numbers of [0, 1)."""

    def __init__(
        self,
        uniform: Callable[[], float],
        first_ms: int = FIRST_MS,
        longest_ms: int = LONGEST_MS,
    ) -> None:
        self._uniform = uniform
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self.attempts = 0

    def next_ms(self) -> int:
        """Between half and all of the present step, so that a crowd does not come back as one."""
        step_ms = min(self._longest_ms, self._first_ms << min(self.attempts, 16))
        self.attempts += 1
        return int(step_ms * (0.5 + self._uniform() / 2))

    def soon_ms(self) -> int:
        """For a node that goes away in good order: at once, but not all together."""
        return int(self._first_ms * self._uniform())

    def reset(self) -> None:
        self.attempts = 0
