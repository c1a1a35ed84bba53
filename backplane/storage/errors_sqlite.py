"""SQLite's complaints in the backplane's words."""

import sqlite3

from backplane.errors import StorageFull, Unavailable, WorldError


def world_error(error: BaseException) -> WorldError | None:
    """What the world did wrong, or None when the mistake is ours."""
    if not isinstance(error, sqlite3.DatabaseError):
        return None
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull("no room on the disk")
    if isinstance(error, sqlite3.OperationalError):
        return Unavailable(f"the store does not answer: {error}")
    return None
