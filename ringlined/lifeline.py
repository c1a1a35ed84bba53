"""`python lifeline.py PARENT PROGRAM ARGUMENT…`: become that program, and die with the parent.

The kernel sends SIGTERM to a process that asked for it when its parent ends, however it ends
(prctl(2), PR_SET_PDEATHSIG); the wish survives execve. Elsewhere than on Linux: only become it.
Standard library only, run with -I -S: it stands before every start of a role.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Exits when the parent is gone already: then no signal would come."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    tie_to(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
