"""An SFU node's door as the gateway sees it: a real WebSocket server that does what a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import WSMsgType, web

from ringline.protocol.codec import SUBPROTOCOLS

Socket = web.WebSocketResponse[Literal[True]]
Serve = Callable[[Socket], Awaitable[None]]


async def echo(socket: Socket) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)


class SfuStandIn:
    def __init__(self, serve: Serve = echo) -> None:
        self.serve = serve
        self.requests: list[web.BaseRequest] = []
        self.sockets: list[Socket] = []
        self.codes: list[int | None] = []
        """How the connections ended."""
        self._server = web.Server(self._handle)
        self._listening: asyncio.Server | None = None

    async def start(self) -> str:
        """Its address."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._server, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        socket: Socket = web.WebSocketResponse(protocols=SUBPROTOCOLS, max_msg_size=0)
        await socket.prepare(request)
        self.sockets.append(socket)
        try:
            await self.serve(socket)
        except ConnectionError:
            pass  # the gateway has gone
        finally:
            self.codes.append(socket.close_code)
        return socket

    def vanish(self) -> None:
        """Every connection breaks off, without a word."""
        for request in self.requests:
            if request.transport is not None:
                request.transport.abort()

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._server.shutdown(0.5)
