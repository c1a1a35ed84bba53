"""How `ringlined` ends (the numbers are those of sysexits.h where it has one)."""

import enum


class ExitCode(enum.IntEnum):
    OK = 0
    FAILED = 1
    """What was asked for did not succeed: a step of the demo, say."""
    USAGE = 2
    UNAVAILABLE = 69
    """Something that is needed is not there: no Redis, an address in use."""
    CONFIGURATION = 78
    """The configuration is refused; starting again cannot help."""
