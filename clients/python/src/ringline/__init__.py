"""Ringline: calls and messages, for Python.

`ringline.Client` is the messaging and signalling client, `ringline.MediaPeer` one call's media. Names
are loaded when they are asked for: `import ringline` itself imports nothing heavy.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringline.client.client import Client as Client
    from ringline.client.group_link import GroupLink as GroupLink
    from ringline.client.store_memory import MemoryStore as MemoryStore
    from ringline.client.store_sqlite import SqliteStore as SqliteStore
    from ringline.media.group_peer import GroupPeer as GroupPeer
    from ringline.media.peer import MediaPeer as MediaPeer
    from ringline.media.peer import MediaPlan as MediaPlan

_HOMES: Final = {
    "Client": "ringline.client.client",
    "GroupLink": "ringline.client.group_link",
    "MemoryStore": "ringline.client.store_memory",
    "SqliteStore": "ringline.client.store_sqlite",
    "GroupPeer": "ringline.media.group_peer",
    "MediaPeer": "ringline.media.peer",
    "MediaPlan": "ringline.media.peer",
    "errors": "ringline.client.errors",
    "events": "ringline.client.events",
}
"""Name: the module that has it, or (lower case) that it is."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if name.islower() else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
