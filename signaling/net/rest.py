"""The REST edge: request in, exactly one answer out, a problem document for everything that fails.

Steps: route, budget and token, body within its limit while it is read, schema, operation.
"""

import asyncio
import re
from collections.abc import Awaitable
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from backplane.telemetry.answers_aiohttp import HEADERS, problem_response
from messaging.errors import Refused
from ringline.protocol import limits
from ringline.protocol.codec import decode_body, encode_body
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address
from signaling.client_address import budget_key
from signaling.net import page, sfu_proxy
from signaling.net.http_server import peer_of
from signaling.net.sfu_proxy import SfuProxy
from signaling.net.socket import SocketDoor
from signaling.openapi import openapi_document
from signaling.operations import Request
from signaling.parts import Parts
from signaling.rate import TokenBucket
from signaling.refusals import Expected, problem_of
from signaling.routes import Match, NoRoute, Route, RouteTable, WrongMethod

SOCKET_PATH: Final = "/v1/socket"
OPENAPI_PATH: Final = "/v1/openapi.json"
GET_ONLY: Final = frozenset({SOCKET_PATH, OPENAPI_PATH})
METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_TOKEN: Final = re.compile(r"^Bearer +([A-Za-z0-9_-]{20,128})$", re.IGNORECASE)

_log = structlog.get_logger()


class RestDoor:
    def __init__(self, parts: Parts, socket: SocketDoor, proxy: SfuProxy) -> None:
        self._parts = parts
        self._socket = socket
        self._sfu_proxy = proxy
        self._table = RouteTable()
        self._openapi = encode_body(openapi_document())
        self._page = page.Page()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The one handler of the server."""
        start = asyncio.get_running_loop().time()
        route, work = self._find(request)
        response = await self._guard(request, work)
        if response.status == ProblemType.TOO_LARGE.status:
            response.force_close()
        self._account(request, route, response, asyncio.get_running_loop().time() - start)
        return response

    async def _guard(
        self, request: web.BaseRequest, work: Awaitable[web.StreamResponse]
    ) -> web.StreamResponse:
        try:
            return await work
        except Expected as error:
            return problem_response(problem_of(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            _log.exception("request broke", method=_method(request))
            return problem_response(ProblemType.INTERNAL.describe())

    def _account(
        self, request: web.BaseRequest, route: str, response: web.StreamResponse, seconds: float
    ) -> None:
        method, status = _method(request), response.status
        metrics = self._parts.metrics
        metrics.http_requests.labels(route=route, method=method, status=str(status)).inc()
        if route not in (SOCKET_PATH, sfu_proxy.ROUTE):
            metrics.http_request_seconds.labels(route=route).observe(seconds)
        _log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000))

    def _find(self, request: web.BaseRequest) -> tuple[str, Awaitable[web.StreamResponse]]:
        """How the route is counted, and what is to be done."""
        method, path = request.method, request.path
        if path in GET_ONLY and method == "GET":
            return path, self._socket.open(request) if path == SOCKET_PATH else self._describe(
                request
            )
        node = sfu_proxy.PATH.fullmatch(path)
        if node is not None and method == "GET":
            return sfu_proxy.ROUTE, self._sfu_proxy.carry(request, node[1])
        label = self._page.label(path)
        if label is not None and method in page.METHODS:
            return label, self._show(request)
        found = self._table.match(method, path)
        if label is not None or node is not None or path in GET_ONLY:
            found = WrongMethod(("GET",) if label is None else page.METHODS)
        if isinstance(found, Match):
            return found.route.path, self._serve(request, found.route, found.parameters)
        return "-", self._refuse(request, found)

    async def _describe(self, request: web.BaseRequest) -> web.Response:
        self._charge(request)
        return _json(200, self._openapi)

    async def _show(self, request: web.BaseRequest) -> web.Response:
        self._charge(request)
        return self._page.answer(request)

    async def _refuse(self, request: web.BaseRequest, found: WrongMethod | NoRoute) -> web.Response:
        self._charge(request)
        if isinstance(found, NoRoute):
            raise Refused(ProblemType.NOT_FOUND.describe())
        problem = ProblemType.METHOD_NOT_ALLOWED.describe()
        return problem_response(problem, {"Allow": ", ".join(found.allowed)})

    async def _serve(
        self, request: web.BaseRequest, route: Route, parameters: dict[str, Any]
    ) -> web.Response:
        device = None
        if route.authenticated:
            device = await self._authenticate(request)
        else:
            self._charge(request)
        body = await self._body(request, route.body) if route.body is not None else None
        operation = getattr(self._parts.operations, route.name)
        answer = await operation(Request(self._client(request), device, parameters, body))
        if answer is None:
            return web.Response(status=route.status, headers=HEADERS)
        return _json(route.status, encode_body(answer))

    # Who asks.

    def _client(self, request: web.BaseRequest) -> str:
        forwarded = request.headers.getall("X-Forwarded-For", [])
        return self._parts.client_addresses.client(peer_of(request.transport), forwarded)

    def _charge(self, request: web.BaseRequest) -> None:
        """To the address: nobody says who asks."""
        key = budget_key(self._client(request))
        _spend(self._parts.address_buckets.of(key, self._parts.clock()), self._parts.clock())

    async def _authenticate(self, request: web.BaseRequest) -> Address:
        key, now = budget_key(self._client(request)), self._parts.clock()
        failures = self._parts.address_buckets.of(key, now)
        _require(failures, now)
        try:
            grant = await self._parts.access.authenticate(_bearer(request))
        except Refused:
            failures.draw(now, 1)
            raise
        _spend(self._parts.account_buckets.of(grant.address.account, now), now)
        return grant.address

    # What it brings.

    async def _body(self, request: web.BaseRequest, shape: type) -> Any:
        _check_body_head(request)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return decode_body(await self._read(request), shape)

    async def _read(self, request: web.BaseRequest) -> bytes:
        """Raise Refused as soon as one byte too many has come."""
        data = bytearray()
        try:
            async with asyncio.timeout(self._parts.settings.body_timeout_s):
                while chunk := await request.content.readany():
                    data += chunk
                    if len(data) > limits.FRAME_BYTES_MAX:
                        raise _too_large()
        except TimeoutError:
            raise Refused(ProblemType.MALFORMED.describe("the body did not come in time")) from None
        except (RequestPayloadError, HttpProcessingError):
            raise Refused(ProblemType.MALFORMED.describe("the body is broken")) from None
        return bytes(data)


def _bearer(request: web.BaseRequest) -> str:
    values = request.headers.getall("Authorization", [])
    match = _TOKEN.match(values[0]) if len(values) == 1 else None
    if match is None:
        raise Refused(ProblemType.UNAUTHENTICATED.describe())
    return match[1]


def _check_body_head(request: web.BaseRequest) -> None:
    for value in request.headers.getall("Content-Encoding", []):
        if value.strip().lower() != "identity":
            raise Refused(ProblemType.MEDIA_TYPE.describe("bodies travel uncompressed"))
    if (
        request.content_type != "application/json"
        or len(request.headers.getall("Content-Type", [])) != 1
    ):
        raise Refused(ProblemType.MEDIA_TYPE.describe("bodies are application/json"))
    if (request.content_length or 0) > limits.FRAME_BYTES_MAX:
        raise _too_large()


def _too_large() -> Refused:
    return Refused(ProblemType.TOO_LARGE.describe(f"at most {limits.FRAME_BYTES_MAX} bytes"))


def _require(bucket: TokenBucket, now: int) -> None:
    wait_ms = bucket.wait_ms(now)
    if wait_ms:
        raise Refused(ProblemType.RATE_LIMITED.describe(retry_after_s=-(-wait_ms // 1000)))


def _spend(bucket: TokenBucket, now: int) -> None:
    _require(bucket, now)
    bucket.take(now)


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=HEADERS)


def _method(request: web.BaseRequest) -> str:
    """As a label: no peer invents one."""
    return request.method if request.method in METHODS else "other"
