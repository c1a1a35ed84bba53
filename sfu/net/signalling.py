"""The door of `/v1/sfu/{node}`: gateways pass clients' WebSockets on to it, and nothing else is here."""

import asyncio
from typing import Final, Literal

from aiohttp import web

from backplane.telemetry.answers_aiohttp import HEADERS, problem_response
from ringline.protocol import limits
from ringline.protocol.codec import SUBPROTOCOLS
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.sfu_codec import SFU_CODECS, SfuCodec
from sfu.net.connection import Connection, Parts

PATH: Final = "/v1/sfu/"
STRANGERS_MAX: Final = 512
"""Connections on which nobody has joined yet. Each may stay for `authentication_timeout_s`."""
CONNECTIONS_PER_PARTICIPANT: Final = 2
"""One that breaks, and the one that resumes."""
PEER_CLOSE_TIMEOUT_S: Final = 2.0
WRITER_BYTES_MAX: Final = 16 * 1024


class SignallingDoor:
    def __init__(self, node: str, parts: Parts) -> None:
        self._path = PATH + node
        self._parts = parts
        self._open: set[Connection] = set()
        self._strangers: set[Connection] = set()
        self._closing = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        problem = self._refusal(request)
        if problem is not None:
            return problem_response(problem)
        codec = _codec(request)
        if codec is None:
            detail = "offer a sub-protocol: " + " or ".join(SUBPROTOCOLS)
            return problem_response(ProblemType.MALFORMED.describe(detail))
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
        try:
            await ws.prepare(request)
        except web.HTTPException:
            detail = "that is no WebSocket handshake"
            return problem_response(ProblemType.MALFORMED.describe(detail))
        if request.transport is not None:
            await self._run(ws, request.transport, codec)
        return ws

    def _refusal(self, request: web.BaseRequest) -> Problem | None:
        if request.path != self._path:
            return ProblemType.NOT_FOUND.describe()
        if request.method != "GET":
            return ProblemType.METHOD_NOT_ALLOWED.describe()
        connections_max = (
            self._parts.settings.participants_max * CONNECTIONS_PER_PARTICIPANT + STRANGERS_MAX
        )
        full = len(self._strangers) >= STRANGERS_MAX or len(self._open) >= connections_max
        if self._closing or full:
            return ProblemType.UNAVAILABLE.describe(retry_after_s=1)
        return None

    async def _run(
        self,
        ws: "web.WebSocketResponse[Literal[False]]",
        transport: asyncio.Transport,
        codec: SfuCodec,
    ) -> None:
        def entered() -> None:
            self._strangers.discard(connection)

        connection = Connection(ws, transport, codec, self._parts, entered)
        self._open.add(connection)
        self._strangers.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            self._strangers.discard(connection)

    def tick(self) -> None:
        """About once a second."""
        for connection in tuple(self._open):
            connection.tick()

    async def close(self) -> None:
        """Take no more; send everyone away."""
        self._closing = True
        await asyncio.gather(*(connection.go_away() for connection in tuple(self._open)))

    def __len__(self) -> int:
        return len(self._open)


def _codec(request: web.BaseRequest) -> SfuCodec | None:
    lines = request.headers.getall("Sec-WebSocket-Protocol", [])
    for name in (part.strip() for line in lines for part in line.split(",")):
        if name in SFU_CODECS:
            return SFU_CODECS[name]
    return None
