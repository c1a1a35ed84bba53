"""`/v1/sfu/{node}`: a client's WebSocket carried through to its SFU node.

One origin and one certificate for clients, however many nodes. Frames pass unread; who may join is in the
ticket, which the node checks. Each direction holds one frame: a side that does not read stops the other.
"""

import asyncio
import re
from contextlib import suppress
from typing import Final, Literal

import aiohttp
import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from backplane.registry.ports import NodeRegistry
from backplane.telemetry.answers_aiohttp import HEADERS
from messaging.errors import Refused
from ringline.protocol import limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Codec
from ringline.protocol.problems import ProblemType
from signaling.net.http_server import HttpProtocol
from signaling.net.socket import WRITER_BYTES_MAX, SocketDoor
from signaling.parts import Parts

PATH: Final = re.compile(r"/v1/sfu/([a-z0-9][a-z0-9-]{0,63})")
ROUTE: Final = "/v1/sfu/{node}"
ROLE: Final = "sfu"
CONNECT_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 2.0
SETTLED_S: Final = limits.AUTHENTICATION_TIMEOUT_S + 2
"""A node hangs up on who has not shown a ticket by then: who is still there has."""
_LAST_CODE: Final = 4999
_SILENT_CODES: Final = frozenset({1004, 1005, 1006, 1015})
"""RFC 6455 §7.4.1: never sent."""

_log = structlog.get_logger()
Downstream = web.WebSocketResponse[Literal[False]]
Upstream = ClientWebSocketResponse[Literal[False]]


class SfuProxy:
    """`connections_max`: proxied at a time, on this gateway."""

    def __init__(
        self, parts: Parts, socket: SocketDoor, nodes: NodeRegistry, connections_max: int
    ) -> None:
        self._parts = parts
        self._socket = socket
        self._nodes = nodes
        self._connections_max = connections_max
        self._open: set[Downstream] = set()
        self._closing = False
        self._client: aiohttp.ClientSession | None = None

    async def carry(self, request: web.BaseRequest, node: str) -> web.StreamResponse:
        """Until one side closes. Raises Refused (before the upgrade), WorldError."""
        codec = self._socket.check(request)
        if self._closing or len(self._open) >= self._connections_max:
            raise Refused(ProblemType.UNAVAILABLE.describe(retry_after_s=1))
        proxied = self._socket.enter(request)
        try:
            upstream = await self._connect(node, codec)
            try:
                return await self._carry(request, codec, upstream)
            finally:
                await _close(upstream, CloseCode.GOING_AWAY)
        finally:
            proxied.leave()

    async def _connect(self, node: str, codec: Codec) -> Upstream:
        address = next(
            (each.address for each in await self._nodes.nodes(ROLE) if each.node == node), None
        )
        if address is None:
            raise Refused(ProblemType.NOT_FOUND.describe("no such SFU node"))
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._session().ws_connect(
                    f"{address}/v1/sfu/{node}",
                    protocols=(codec.subprotocol,),
                    max_msg_size=limits.FRAME_BYTES_MAX + 1,
                    compress=0,
                    decode_text=False,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("SFU node not reached", node=node, error=type(error).__name__)
            raise Refused(
                ProblemType.UNAVAILABLE.describe("the SFU node does not answer", retry_after_s=1)
            ) from None

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._client

    async def _carry(
        self, request: web.BaseRequest, codec: Codec, upstream: Upstream
    ) -> web.StreamResponse:
        downstream: Downstream = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_S,
            heartbeat=self._parts.settings.heartbeat_interval_s,
            protocols=[codec.subprotocol],
            compress=False,
            max_msg_size=limits.FRAME_BYTES_MAX + 1,
            writer_limit=WRITER_BYTES_MAX,
            decode_text=False,
        )
        downstream.headers["Server"] = HEADERS["Server"]
        await downstream.prepare(request)
        self._open.add(downstream)
        settle = asyncio.get_running_loop().call_later(SETTLED_S, _settle, request.protocol)
        try:
            await self._pump_both(downstream, upstream)
        finally:
            settle.cancel()
            self._open.discard(downstream)
        return downstream

    async def _pump_both(self, downstream: Downstream, upstream: Upstream) -> None:
        up = asyncio.create_task(self._pump(downstream, upstream))
        down = asyncio.create_task(self._pump(upstream, downstream))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            # Each learns why the other went.
            await _close(downstream, _code(upstream.close_code))
            await _close(upstream, _code(downstream.close_code))

    async def _pump(self, source: Downstream | Upstream, target: Downstream | Upstream) -> None:
        """Frame by frame until `source` closes or `target` does not take one in time."""
        timeout_s = self._parts.settings.send_timeout_s
        while True:
            message = await source.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                async with asyncio.timeout(timeout_s):
                    await target.send_frame(message.data, message.type)
            except (TimeoutError, ConnectionError):
                return

    async def close(self) -> None:
        """Take no more, and send everyone away: they come back by another gateway."""
        self._closing = True
        going = [_close(each, CloseCode.GOING_AWAY) for each in tuple(self._open)]
        await asyncio.gather(*going)
        if self._client is not None:
            await self._client.close()

    def __len__(self) -> int:
        return len(self._open)


def _settle(protocol: object) -> None:
    if isinstance(protocol, HttpProtocol):
        protocol.logged_in()


def _code(code: int | None) -> int:
    """What to tell the other side."""
    if code is None or code in _SILENT_CODES or not 1000 <= code <= _LAST_CODE:
        return CloseCode.GOING_AWAY
    return code


async def _close(side: Downstream | Upstream, code: int) -> None:
    with suppress(TimeoutError, ConnectionError, aiohttp.ClientError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await side.close(code=code)
