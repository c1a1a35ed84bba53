"""When a role that died comes back: at once, then ever later, up to a limit."""

from dataclasses import dataclass
from typing import Final

FIRST_PAUSE_S: Final = 0.1
PAUSE_S_MAX: Final = 10.0
STEADY_S: Final = 2.0
"""A role that ran for this long, longer than a start takes, begins anew at the shortest pause: being
killed now and then is no reason to stay away, failing to start is."""


@dataclass(slots=True)
class Restarts:
    """Times are seconds of one monotonic clock."""

    count: int = 0
    _started_at: float = 0.0
    _pause_s: float = FIRST_PAUSE_S

    def started(self, now: float) -> None:
        self._started_at = now

    def died(self, now: float) -> float:
        """How many seconds to wait before the next start."""
        self.count += 1
        if now - self._started_at >= STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        pause_s = self._pause_s
        self._pause_s = min(PAUSE_S_MAX, pause_s * 2)
        return pause_s
