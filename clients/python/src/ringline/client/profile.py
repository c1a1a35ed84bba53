"""Where a device's store lies, and who may be connected with it.

A profile is a folder (mode 0700) with `ringline.db` (0600). A name stands for a folder beside the
others of this user; what has a path's shape is a folder itself.
"""

import fcntl
import os
import re
from pathlib import Path
from typing import Final

import platformdirs

from ringline.client.errors import ProfileDamaged, UsageError

DEFAULT: Final = "default"
VARIABLE: Final = "RINGLINE_PROFILE"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


class BadProfileName(UsageError):
    pass


def profile_directory(name: str | os.PathLike[str]) -> Path:
    """The folder, which need not exist. Raise BadProfileName."""
    text = os.fspath(name)
    if isinstance(name, Path) or os.sep in text or text in (".", ".."):
        return Path(text).expanduser()
    if not _NAME.fullmatch(text):
        raise BadProfileName(f"{text!r} is neither a profile's name nor a path")
    return platformdirs.user_data_path("ringline") / "profiles" / text


class Profile:
    """Raise ProfileDamaged when the folder cannot be made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ProfileDamaged(f"{directory}: {error.strerror}") from None
        self._lock: int | None = None

    @property
    def database(self) -> Path:
        return self.directory / "ringline.db"

    def claim(self) -> bool:
        """Be the one process that is connected as this device; False: another one is. The claim ends
        with the process at the latest."""
        if self._lock is not None:
            return True
        try:
            handle = os.open(self.directory / "connected.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ProfileDamaged(f"{self.directory}: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
