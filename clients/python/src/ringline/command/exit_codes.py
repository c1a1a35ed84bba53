"""How `ringline` ends."""

import enum


class ExitCode(enum.IntEnum):
    OK = 0
    FAILED = 1
    """It did not succeed: declined, busy, expired, a file that cannot be read."""
    USAGE = 2
    NOT_REGISTERED = 3
    """The profile is registered nowhere, or not any more."""
    REFUSED = 4
    """The server said no."""
    UNREACHABLE = 5
    """The server cannot be reached, or something did not happen in time."""
