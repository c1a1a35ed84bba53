"""What an operator can set about storage."""

from msgspec import Struct


class StorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    directory: str = "var"
    """Where the SQLite files live: records.sqlite3 and queues.sqlite3."""
    records_url: str = ""
    """SQLAlchemy URL of the records (of a driver that works with and without asyncio, as
    `postgresql+psycopg`); empty: records.sqlite3 in the directory."""
    group_operations_max: int = 256
    """Operations committed with one fsync."""
    group_bytes_max: int = 8 * 1024 * 1024
    """Bytes of one such group."""
    pending_operations_max: int = 20_000
    """Operations that may wait for their commit; beyond that the store answers Overloaded."""
    pending_bytes_max: int = 128 * 1024 * 1024
    """Bytes that may wait for their commit; beyond that the store answers Overloaded."""
    busy_timeout_ms: int = 4_000
    """How long to wait for another process' write transaction; below the deadline of a call."""
    call_timeout_s: float = 5.0
    """Deadline of one call to the store."""
    checkpoint_pages: int = 4_000
    """Pages in the write-ahead log before it is folded back."""
    log_bytes_max: int = 64 * 1024 * 1024
    """Size of the write-ahead log at which commits wait for the readers that keep it from shrinking."""
