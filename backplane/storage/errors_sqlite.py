"""SQLite's complaints in the backplane's words."""

import sqlite3

from backplane.errors import StorageFull, Unavailable, WorldError

_OURS = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE})
"""A statement that does not fit the schema, or the library used wrongly."""


def world_error(error: BaseException | None) -> WorldError | None:
    """What the world did wrong, or None when the mistake is ours.

    A full disk is StorageFull; busy, read-only, failing or broken files are Unavailable.
    """
    if not isinstance(error, sqlite3.DatabaseError):
        return None
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull("no room on the disk")
    if primary in _OURS or not _of_the_file(error):
        return None
    return Unavailable(f"the store does not answer: {error}")


def _of_the_file(error: sqlite3.DatabaseError) -> bool:
    """Not a constraint, a type or the interface, which have subclasses of their own."""
    return type(error) in (sqlite3.DatabaseError, sqlite3.OperationalError)
