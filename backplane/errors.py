"""Whose fault it is, as the backplane tells it.

    WorldError            another process or the disk; the caller refuses or retries
    ├── Unavailable       a store, Redis or the bus did not answer within its deadline
    ├── Overloaded        a bounded queue is full; `retry_after_s` says when to try again
    └── StorageFull       no room on the disk; nothing of the operation took effect

Mistakes of ours are AssertionErrors; what a peer got wrong is for the services to say.
"""


class WorldError(Exception):
    """Something outside this process does not do its part."""


class Unavailable(WorldError):
    pass


class Overloaded(WorldError):
    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageFull(WorldError):
    pass
