"""aiohttp's low-level server with our limits: who may connect, and an answer to what is no HTTP.

Routing is ours (`signaling.routes`), so aiohttp's application layer is left out. `Admission` hangs up
on connections before the process is out of descriptors, so that accepting does not fail.
"""

import asyncio
import socket
from typing import Any, Final

from aiohttp import web

from backplane.telemetry.answers_aiohttp import problem_response
from backplane.telemetry.metrics import Metrics
from ringline.protocol.problems import ProblemType
from signaling.admission import Admission
from signaling.client_address import UNKNOWN, ClientAddresses, budget_key
from signaling.settings import (
    HEADER_LINE_BYTES_MAX,
    HEADERS_MAX,
    KERNEL_BYTES_MAX,
    TRANSPORT_BYTES_MAX,
    GatewaySettings,
)

LINGERING_S: Final = 2.0
"""How long the rest of a refused body is read and thrown away, so that the answer arrives."""


class HttpProtocol(web.RequestHandler):
    """One TCP connection."""

    def __init__(self, server: "HttpServer", **limits: Any) -> None:
        super().__init__(server, **limits)
        self._server = server
        self._connected = False
        self._anonymous: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream: asyncio.Transport = transport  # type: ignore[assignment]  # always of a stream server
        if not self._admit(stream):
            self._server.metrics.http_requests.labels(route="-", method="-", status="refused").inc()
            stream.abort()
            return
        stream.set_write_buffer_limits(high=TRANSPORT_BYTES_MAX)
        _bound_kernel_buffer(stream)
        super().connection_made(transport)

    def _admit(self, transport: asyncio.Transport) -> bool:
        self._connected = self._server.admission.connect()
        if not self._connected:
            return False
        peer = peer_of(transport)
        if self._server.client_addresses.trusts(peer):
            return True
        key = budget_key(peer)
        if not self._server.admission.enter(key):
            return False
        self._anonymous = key
        return True

    def logged_in(self) -> None:
        """A device has authenticated: the connection counts against no address any more."""
        if self._anonymous is not None:
            self._server.admission.leave(self._anonymous)
            self._anonymous = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.logged_in()
        if self._connected:
            self._connected = False
            self._server.admission.disconnect()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What could not be parsed as HTTP; never quotes it. Always closes the connection."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        kind = ProblemType.MALFORMED if status < 500 else ProblemType.INTERNAL
        self._server.metrics.http_requests.labels(
            route="-", method="-", status=str(kind.status)
        ).inc()
        response = problem_response(kind.describe("that is no valid HTTP request"))
        response.force_close()
        return response


class HttpServer(web.Server):  # type: ignore[misc,unused-ignore]  # open to extension by __call__
    """The protocol factory of one listening gateway."""

    def __init__(
        self,
        handler: Any,
        settings: GatewaySettings,
        admission: Admission,
        client_addresses: ClientAddresses,
        metrics: Metrics,
    ) -> None:
        super().__init__(handler)
        self.admission = admission
        self.client_addresses = client_addresses
        self.metrics = metrics
        self._limits: dict[str, Any] = {
            "keepalive_timeout": settings.idle_timeout_s,
            "max_line_size": HEADER_LINE_BYTES_MAX,
            "max_field_size": HEADER_LINE_BYTES_MAX,
            "max_headers": HEADERS_MAX,
            "lingering_time": LINGERING_S,
            "auto_decompress": False,
            "access_log": None,
        }

    def __call__(self) -> web.RequestHandler:
        return HttpProtocol(self, loop=asyncio.get_running_loop(), **self._limits)


def _bound_kernel_buffer(transport: asyncio.Transport) -> None:
    # Left alone, the kernel takes up to 4 MiB for a peer that does not read, and we would not
    # notice for as long.
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES_MAX)


def peer_of(transport: asyncio.BaseTransport | None) -> str:
    """The other end's address; UNKNOWN for one that is gone."""
    name = transport.get_extra_info("peername") if transport is not None else None
    return str(name[0]) if isinstance(name, tuple) and name else UNKNOWN
