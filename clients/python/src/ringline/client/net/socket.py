"""One WebSocket to the gateway: frames in, frames out, the close code at the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from ringline.client.errors import Unreachable
from ringline.protocol import limits
from ringline.protocol.codec import MSGPACK, Malformed
from ringline.protocol.frames import AnyClientFrame, AnyServerFrame

OPEN_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0
FRAME_BYTES_MAX: Final = 2 * limits.FRAME_BYTES_MAX
"""What a server sends is smaller; a newer one's frames may be a little larger."""


class Socket:
    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self._raw = raw

    @property
    def close_code(self) -> int | None:
        return self._raw.close_code

    async def send(self, frame: AnyClientFrame) -> None:
        """Raise Unreachable."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._raw.send_bytes(MSGPACK.encode(frame))
        except (TimeoutError, ConnectionError, aiohttp.ClientError) as error:
            raise Unreachable("the connection is gone") from error

    async def frames(self) -> AsyncIterator[AnyServerFrame | bytes]:
        """Until the end. What this version of the protocol cannot read comes as it is."""
        async for message in self._raw:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            try:
                yield MSGPACK.decode_server(message.data)
            except Malformed:
                yield message.data

    async def close(self) -> None:
        await self._raw.close()


async def open_socket(session: aiohttp.ClientSession, server: str) -> Socket:
    """`server` as of Rest. Raise Unreachable."""
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            raw = await session.ws_connect(
                server + "/v1/socket",
                protocols=[MSGPACK.subprotocol],
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                max_msg_size=FRAME_BYTES_MAX,
            )
    except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
        raise Unreachable(f"the gateway cannot be reached: {type(error).__name__}") from error
    if raw.protocol != MSGPACK.subprotocol:
        await raw.close()
        raise Unreachable("the gateway speaks another protocol")
    return Socket(raw)
