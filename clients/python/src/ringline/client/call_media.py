"""What a call wants of its media: `ringline.media.peer.MediaPeer` is one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class IceServer:
    """A relay (TURN) that may be used for one call."""

    uris: Sequence[str]
    """RFC 7065."""
    username: str
    password: str


IceServers = Callable[[UUID], Awaitable[Sequence[IceServer]]]
"""Asks for the relays of a call. Gives none where there are none, or when the question fails: a call
that needs no relay goes on without."""


class CallMedia(Protocol):
    """May raise `ringline.media.errors.MediaError` everywhere. Bodies are opaque here."""

    def use_servers(self, servers: Sequence[IceServer]) -> None:
        """Before `offer` or `answer`: the relays of this call."""

    async def offer(self) -> bytes: ...

    async def answer(self, offer: bytes) -> bytes: ...

    async def accept_answer(self, answer: bytes) -> None: ...

    async def connected(self, timeout_s: float) -> None: ...

    async def wait_ended(self) -> str: ...

    async def wait_sent(self) -> None: ...

    def statistics(self) -> Any: ...

    async def close(self) -> None: ...


MediaFactory = Callable[[], CallMedia]
"""Makes the media of one negotiation. Called again when glare turns a caller into a callee."""
