"""The door of `/v1/socket`: everything that is refused before the upgrade, as problem documents.

permessage-deflate is not offered: sealed bodies do not shrink, and each connection would pay for
two compression windows.
"""

import asyncio
import base64
import binascii
from typing import Final, Literal

from aiohttp import web

from backplane.telemetry.answers_aiohttp import HEADERS
from messaging.errors import Refused
from ringline.protocol import limits
from ringline.protocol.codec import CODECS, SUBPROTOCOLS, Codec
from ringline.protocol.problems import ProblemType
from signaling.client_address import budget_key
from signaling.net.connection import WebSocketConnection
from signaling.net.http_server import HttpProtocol, peer_of
from signaling.parts import Parts
from signaling.session import Session

PEER_CLOSE_TIMEOUT_S: Final = 2.0
WRITER_BYTES_MAX: Final = 16 * 1024
SESSION_ID_BYTES: Final = 12


class SocketDoor:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._open: set[WebSocketConnection] = set()
        self._closing = False

    async def open(self, request: web.BaseRequest) -> web.StreamResponse:
        """Upgrade, and stay until the connection ends. Raises Refused before the upgrade."""
        codec = self.check(request)
        proxied = self.enter(request)
        try:
            return await self._run(request, codec, proxied)
        finally:
            proxied.leave()

    def check(self, request: web.BaseRequest) -> Codec:
        """The encoding that was agreed on. Raises Refused for a handshake that must not succeed."""
        headers = {name.lower(): request.headers.getall(name) for name in request.headers}
        if not self._parts.origins.allows(headers):
            raise Refused(ProblemType.ORIGIN_REFUSED.describe())
        if self._closing:
            raise Refused(ProblemType.UNAVAILABLE.describe(retry_after_s=1))
        if not _is_upgrade(request):
            raise Refused(ProblemType.MALFORMED.describe("that is no WebSocket handshake"))
        offered = [
            p.strip() for line in headers.get("sec-websocket-protocol", []) for p in line.split(",")
        ]
        for name in offered:
            if name in CODECS:
                return CODECS[name]
        detail = "offer a sub-protocol: " + " or ".join(SUBPROTOCOLS)
        raise Refused(ProblemType.MALFORMED.describe(detail))

    def enter(self, request: web.BaseRequest) -> "Anonymous":
        """Count the connection to its client address. Raises Refused."""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        peer = peer_of(request.transport)
        client = self._parts.client_addresses.client(peer, forwarded)
        key, now = budget_key(client), self._parts.clock()
        wait_ms = self._parts.address_buckets.of(key, now).wait_ms(now)
        if wait_ms:
            raise Refused(ProblemType.RATE_LIMITED.describe(retry_after_s=-(-wait_ms // 1000)))
        # A direct connection has been counted when it was made.
        proxied = self._parts.client_addresses.trusts(peer)
        if proxied and not self._parts.admission.enter(key):
            raise Refused(ProblemType.RATE_LIMITED.describe(retry_after_s=10))
        return Anonymous(self._parts, key, proxied)

    async def _run(
        self, request: web.BaseRequest, codec: Codec, proxied: "Anonymous"
    ) -> web.StreamResponse:
        ws: web.WebSocketResponse[Literal[False]] = web.WebSocketResponse(
            timeout=PEER_CLOSE_TIMEOUT_S,
            autoping=False,
            autoclose=False,
            protocols=[codec.subprotocol],
            compress=False,
            max_msg_size=limits.FRAME_BYTES_MAX + 1,
            writer_limit=WRITER_BYTES_MAX,
            decode_text=False,
        )
        ws.headers["Server"] = HEADERS["Server"]
        await ws.prepare(request)
        transport, protocol = request.transport, request.protocol
        if transport is None or not isinstance(protocol, HttpProtocol):
            return ws

        def logged_in() -> None:
            protocol.logged_in()
            proxied.leave()

        parts = self._parts
        session_id = parts.entropy(SESSION_ID_BYTES).hex()
        session = Session(session_id, codec, parts.settings, parts.clock())
        connection = WebSocketConnection(
            ws,
            transport=transport,
            session=session,
            codec=codec,
            parts=parts,
            logged_in=logged_in,
        )
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            if not session.known:
                proxied.charge()
        return ws

    def tick(self) -> None:
        for connection in tuple(self._open):
            connection.tick()

    async def close(self) -> None:
        """Take no more; answer what is in work; send everyone away."""
        self._closing = True
        await asyncio.gather(*(connection.go_away() for connection in tuple(self._open)))

    def __len__(self) -> int:
        return len(self._open)


class Anonymous:
    """The share of a client address in the connections on which nobody has logged in."""

    def __init__(self, parts: Parts, key: str, counted: bool) -> None:
        self._parts = parts
        self._key = key
        self._counted = counted

    def leave(self) -> None:
        if self._counted:
            self._counted = False
            self._parts.admission.leave(self._key)

    def charge(self) -> None:
        now = self._parts.clock()
        self._parts.address_buckets.of(self._key, now).draw(now, 1)


def _is_upgrade(request: web.BaseRequest) -> bool:
    """RFC 6455 §4.2.1."""
    headers = request.headers
    connection = [part.strip().lower() for part in headers.get("Connection", "").split(",")]
    if headers.get("Upgrade", "").strip().lower() != "websocket" or "upgrade" not in connection:
        return False
    if headers.get("Sec-WebSocket-Version", "").strip() != "13":
        return False
    try:
        key = base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(key) == 16
