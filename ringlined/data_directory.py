"""The directory that holds everything a stack must keep. One stack at a time uses it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK_NAME: Final = "ringlined.lock"


class InUse(Exception):
    """Another stack runs on the directory."""


@contextmanager
def data_directory(path: Path) -> Iterator[Path]:
    """Made if need be, readable by this user alone, and locked until the end of the process, however
    it ends. Raises InUse, OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path / LOCK_NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another stack runs on {path}") from None
        yield path.resolve()
