"""Where a running stack keeps what must not outlive it: its Redis' socket.

Not in the data directory: the path of a unix socket may have 107 bytes (unix(7)).
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def run_directory() -> Iterator[Path]:
    """Readable by this user alone; deleted at the end."""
    path = Path(tempfile.mkdtemp(prefix="ringline-", dir="/tmp" if Path("/tmp").is_dir() else None))  # noqa: S108 - mkdtemp makes it private
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
