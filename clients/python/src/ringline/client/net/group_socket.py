"""One WebSocket to an SFU node, by way of the gateway."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from ringline.client.errors import Unreachable
from ringline.client.net.socket import (
    CLOSE_TIMEOUT_S,
    FRAME_BYTES_MAX,
    OPEN_TIMEOUT_S,
    SEND_TIMEOUT_S,
)
from ringline.protocol.codec import Malformed
from ringline.protocol.sfu import AnySfuClientFrame, AnySfuServerFrame
from ringline.protocol.sfu_codec import SFU_MSGPACK

HEARTBEAT_S: Final = 10.0
"""A gateway that is gone without a word is noticed after half as long again."""
NOT_FOUND: Final = 404


class NodeGone(Unreachable):
    """The gateway knows no such node (any more)."""


class GroupSocket:
    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self._raw = raw

    @property
    def close_code(self) -> int | None:
        return self._raw.close_code

    async def send(self, frame: AnySfuClientFrame) -> None:
        """Raise Unreachable."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._raw.send_bytes(SFU_MSGPACK.encode(frame))
        except (TimeoutError, ConnectionError, aiohttp.ClientError) as error:
            raise Unreachable("the connection is gone") from error

    async def frames(self) -> AsyncIterator[AnySfuServerFrame]:
        """Until the end. What this version of the protocol cannot read is left out."""
        async for message in self._raw:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            try:
                yield SFU_MSGPACK.decode_server(message.data)
            except Malformed:
                continue

    async def close(self) -> None:
        await self._raw.close()


async def open_group_socket(session: aiohttp.ClientSession, server: str, path: str) -> GroupSocket:
    """Raise Unreachable, NodeGone."""
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            raw = await session.ws_connect(
                server + path,
                protocols=[SFU_MSGPACK.subprotocol],
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                heartbeat=HEARTBEAT_S,
                max_msg_size=FRAME_BYTES_MAX,
            )
    except aiohttp.WSServerHandshakeError as error:
        kind = NodeGone if error.status == NOT_FOUND else Unreachable
        raise kind(f"the SFU node cannot be reached: HTTP {error.status}") from error
    except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
        raise Unreachable(f"the SFU node cannot be reached: {type(error).__name__}") from error
    if raw.protocol != SFU_MSGPACK.subprotocol:
        await raw.close()
        raise Unreachable("the SFU node speaks another protocol")
    return GroupSocket(raw)
