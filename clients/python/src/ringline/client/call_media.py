"""What a call wants of its media: `ringline.media.peer.MediaPeer` is one."""

from collections.abc import Callable
from typing import Any, Protocol


class CallMedia(Protocol):
    """May raise `ringline.media.errors.MediaError` everywhere. Bodies are opaque here."""

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
