"""Whether this node can do its part: named probes, each with a deadline.

`health_asyncio.py` runs them.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

Probe = Callable[[], Awaitable[None]]
"""Returns when all is well, raises when not."""
PROBES_MAX: Final = 32


class ProbeReport(Struct, frozen=True):
    name: str
    ok: bool
    elapsed_ms: int
    problem: str | None = None
    """The kind of failure, never its text: readiness is shown to whoever asks."""


class HealthReport(Struct, frozen=True):
    ready: bool
    """Every probe is well."""
    probes: list[ProbeReport]
