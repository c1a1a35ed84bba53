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
from signaling.net.socket import WRITER_BYTES_MAX, Anonymous, SocketDoor
from signaling.parts import Parts

PATH: Final = re.compile(r"/v1/sfu/([a-z0-9][a-z0-9-]{0,63})")
ROUTE: Final = "/v1/sfu/{node}"
ROLE: Final = "sfu"
CONNECT_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 2.0
CLOSE_SLOW_TIMEOUT_S: Final = 0.01
"""When one side did not take what the other sent: what that one goes on sending is not read out."""
SETTLED_S: Final = limits.AUTHENTICATION_TIMEOUT_S + 2
"""A node hangs up on who has not shown a ticket by then: who is still there has."""
_LAST_CODE: Final = 4999
_SILENT_CODES: Final = frozenset({1004, 1005, 1006, 1015})
"""RFC 6455 §7.4.1: never sent."""
_STRANGERS: Final = frozenset(
    {
        CloseCode.PROTOCOL_ERROR,
        CloseCode.MALFORMED_FRAME,
        CloseCode.AUTHENTICATION_TIMEOUT,
        CloseCode.TICKET_REFUSED,
    }
)
"""How a node sends away who showed no good ticket: charged to the client's address."""

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
        self._taken = 0
        self._all_left = asyncio.Event()
        self._all_left.set()
        self._closing = False
        self._client: aiohttp.ClientSession | None = None

    async def carry(self, request: web.BaseRequest, node: str) -> web.StreamResponse:
        """Until one side closes. Raises Refused (before the upgrade), WorldError."""
        codec = self._socket.check(request)
        if self._closing or self._taken >= self._connections_max:
            self._count("full")
            raise Refused(
                ProblemType.UNAVAILABLE.describe("the gateway carries no more", retry_after_s=1)
            )
        anonymous = self._socket.enter(request)
        self._take(1)
        try:
            return await self._reach(request, node, codec, anonymous)
        finally:
            self._take(-1)
            anonymous.leave()

    def _take(self, share: int) -> None:
        self._taken += share
        self._parts.metrics.sfu_proxied_open.set(self._taken)
        if self._taken:
            self._all_left.clear()
        else:
            self._all_left.set()

    def _count(self, reason: str) -> None:
        self._parts.metrics.sfu_proxied_ended.labels(reason=reason).inc()

    async def _reach(
        self, request: web.BaseRequest, node: str, codec: Codec, anonymous: Anonymous
    ) -> web.StreamResponse:
        address = await self._address(node)
        if address is None:
            anonymous.charge()
            self._count("unknown-node")
            raise Refused(ProblemType.NOT_FOUND.describe("no such SFU node"))
        upstream = await self._connect(address, node, codec)
        try:
            return await self._carry(request, codec, upstream, anonymous)
        finally:
            await _close(upstream, CloseCode.GOING_AWAY)
            if upstream.close_code in _STRANGERS:
                anonymous.charge()

    async def _address(self, node: str) -> str | None:
        listed = await self._nodes.nodes(ROLE)
        return next((each.address for each in listed if each.node == node), None)

    async def _connect(self, address: str, node: str, codec: Codec) -> Upstream:
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
            self._count("unreachable")
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
        self, request: web.BaseRequest, codec: Codec, upstream: Upstream, anonymous: Anonymous
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
        if self._closing:
            await _close(downstream, CloseCode.GOING_AWAY)
        loop = asyncio.get_running_loop()
        settle = loop.call_later(SETTLED_S, _settle, request.protocol, anonymous)
        try:
            await self._pump_both(downstream, upstream)
        finally:
            settle.cancel()
            self._open.discard(downstream)
            transport = request.transport
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()  # it did not even take its close frame
        return downstream

    async def _pump_both(self, downstream: Downstream, upstream: Upstream) -> None:
        up = asyncio.create_task(self._pump(downstream, upstream))
        down = asyncio.create_task(self._pump(upstream, downstream))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            reasons = await asyncio.gather(up, down, return_exceptions=True)
            for reason in reasons:
                if isinstance(reason, Exception):
                    _log.error("carrying broke", exc_info=reason)
            self._count(next((reason for reason in reasons if isinstance(reason, str)), "stopped"))
            # Each learns why the other went.
            timeout_s = CLOSE_SLOW_TIMEOUT_S if "slow" in reasons else CLOSE_TIMEOUT_S
            await _close(downstream, _code(upstream.close_code), timeout_s)
            code = CloseCode.GOING_AWAY if self._closing else _code(downstream.close_code)
            await _close(upstream, code, timeout_s)

    async def _pump(self, source: Downstream | Upstream, target: Downstream | Upstream) -> str:
        """Frame by frame until `source` closes or `target` does not take one in time: which."""
        timeout_s = self._parts.settings.send_timeout_s
        while True:
            message = await source.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return "closed"
            try:
                async with asyncio.timeout(timeout_s):
                    await target.send_frame(message.data, message.type)
            except (TimeoutError, ConnectionError):
                return "slow"

    async def close(self) -> None:
        """Take no more, and send everyone away: they come back by another gateway."""
        self._closing = True
        going = [_close(each, CloseCode.GOING_AWAY) for each in tuple(self._open)]
        await asyncio.gather(*going)
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await self._all_left.wait()
        if self._client is not None:
            await self._client.close()

    def __len__(self) -> int:
        return self._taken


def _settle(protocol: object, anonymous: Anonymous) -> None:
    """The connection counts against its client address no more."""
    anonymous.leave()
    if isinstance(protocol, HttpProtocol):
        protocol.logged_in()


def _code(code: int | None) -> int:
    """What to tell the other side."""
    if code is None or code in _SILENT_CODES or not 1000 <= code <= _LAST_CODE:
        return CloseCode.GOING_AWAY
    return code


async def _close(
    side: Downstream | Upstream, code: int, timeout_s: float = CLOSE_TIMEOUT_S
) -> None:
    # In a task of its own: a write that was given up leaves a cancelled future behind in aiohttp, by
    # which the next write on the connection ends as if it had been cancelled itself.
    closing = asyncio.create_task(side.close(code=code))
    try:
        await asyncio.wait({closing}, timeout=timeout_s)
    finally:
        closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
