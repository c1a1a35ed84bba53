"""Numbers from windows: medians, lowest windows, percentiles; ours, the peer's and their ratio."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `ratio` is ours / peer; `budget` and `holds` are None without a bar."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    budget: float | None = None
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the interleaved windows gave, in the order they ran."""

    name: str
    unit: str
    windows: tuple[float, ...]
    peer_windows: tuple[float, ...] = ()

    def figures(self) -> list[Figure]:
        """The median and, of several windows, the lowest."""
        figures = [self._figure(self.name, statistics.median)]
        if len(self.windows) > 1:
            figures.append(self._figure(f"{self.name} (lowest window)", min))
        return figures

    def _figure(self, name: str, of: Callable[[Sequence[float]], float]) -> Figure:
        ours = of(self.windows)
        peer = of(self.peer_windows) if self.peer_windows else None
        ratio = ours / peer if peer else None
        return Figure(name=name, unit=self.unit, ours=ours, peer=peer, ratio=ratio)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that at least `share` (0 to 1) of all do not exceed."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
