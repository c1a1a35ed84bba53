"""This machine's clocks and randomness, in one place; everything else is given them."""

import random
import secrets
import time
from uuid import UUID

from uuid_utils.compat import uuid7

from ringline.protocol import limits


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def uniform() -> float:
    """Of [0, 1); for jitter, not for secrets."""
    return random.random()  # noqa: S311 - jitter


def new_id() -> UUID:
    """A message's or a call's, ordered by time (RFC 9562 §5.7)."""
    return uuid7()


def new_registration_id() -> int:
    return secrets.randbelow(limits.REGISTRATION_ID_MAX + 1)
