"""A listening socket of a node, and an orderly end of what came in by them."""

import asyncio
import ssl
from typing import Any, Final

from aiohttp import web

BACKLOG: Final = 1024
TLS_HANDSHAKE_TIMEOUT_S: Final = 10.0


class Listener:
    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._listening: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> tuple[str, int]:
        """The address that was bound. Raises OSError."""
        options: dict[str, Any] = {"backlog": BACKLOG}
        if tls is not None:
            options |= {"ssl": tls, "ssl_handshake_timeout": TLS_HANDSHAKE_TIMEOUT_S}
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._server, host, port, **options)
        name = self._listening.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    def stop_accepting(self) -> None:
        if self._listening is not None:
            self._listening.close()
        self._server.pre_shutdown()

    async def stop(self, timeout_s: float) -> None:
        """After `stop_accepting`: requests under way have `timeout_s`."""
        await self._server.shutdown(timeout_s)
