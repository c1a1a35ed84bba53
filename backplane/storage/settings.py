"""What an operator can set about storage."""

from msgspec import Struct


class StorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    directory: str = "var"
    """Where the SQLite files live: records.sqlite3 and queues.sqlite3."""
    records_url: str = ""
    """SQLAlchemy URL of the records; empty: records.sqlite3 in the directory."""
    group_operations_max: int = 256
    """Operations committed with one fsync."""
    group_bytes_max: int = 8 * 1024 * 1024
    pending_operations_max: int = 20_000
    """Operations that may wait for their commit; beyond that the store answers Overloaded."""
    pending_bytes_max: int = 128 * 1024 * 1024
    busy_timeout_ms: int = 4_000
    """How long to wait for another process' write transaction."""
    call_timeout_s: float = 5.0
    """Deadline of one call to the store."""
    checkpoint_pages: int = 4_000
    """Pages in the write-ahead log before it is folded back."""
