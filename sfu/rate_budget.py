"""How often something may be done: a rate in the long run, a burst in the short (GCRA)."""


class RateBudget:
    def __init__(self, per_s: float, burst: int) -> None:
        self._step_s = 1 / per_s
        self._burst_s = burst * self._step_s
        self._spent_until_s = float("-inf")

    def take(self, now_s: float) -> float:
        """0 and one is taken, or how many seconds until one is there."""
        spent_until_s = max(self._spent_until_s, now_s) + self._step_s
        wait_s = spent_until_s - now_s - self._burst_s
        if wait_s > 1e-9:
            return wait_s
        self._spent_until_s = spent_until_s
        return 0.0
