"""Where a running stack keeps what must not outlive it: its Redis' socket.

Not in the data directory: the path of a unix socket may have 107 bytes (unix(7)).
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "ringline-run-"
LOCK_NAME: Final = "lock"


@contextmanager
def run_directory(place: Path | None = None) -> Iterator[Path]:
    """Readable by this user alone; deleted at the end, or by the next stack if this one is killed."""
    place = place or short_place()
    sweep(place)
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with (path / LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def short_place() -> Path:
    """TMPDIR may be long; /tmp is not, and what lies in it belongs to its maker alone."""
    return Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108


def sweep(place: Path) -> None:
    """Delete what killed stacks of this user left: directories whose lock nobody holds."""
    for path in place.glob(f"{PREFIX}*"):
        try:
            with (path / LOCK_NAME).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # it lives, is just being made, or is somebody else's
        shutil.rmtree(path, ignore_errors=True)
