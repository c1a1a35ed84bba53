"""The messaging half of the SDK. `Client` is the door; errors, events and stores are beside it.

Names are loaded when they are asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringline.client.client import Client as Client
    from ringline.client.content import Content as Content
    from ringline.client.net.call import IncomingCall as IncomingCall
    from ringline.client.net.call import OutgoingCall as OutgoingCall
    from ringline.client.net.message import OutgoingMessage as OutgoingMessage
    from ringline.client.store_memory import MemoryStore as MemoryStore
    from ringline.client.store_sqlite import SqliteStore as SqliteStore

_HOMES: Final = {
    "Client": "ringline.client.client",
    "Content": "ringline.client.content",
    "IncomingCall": "ringline.client.net.call",
    "OutgoingCall": "ringline.client.net.call",
    "OutgoingMessage": "ringline.client.net.message",
    "MemoryStore": "ringline.client.store_memory",
    "SqliteStore": "ringline.client.store_sqlite",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
