"""The operator's port of a node: metrics and health. Loopback, unless the operator says otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from backplane.telemetry.answers_aiohttp import HEADERS, problem_response
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics, render_metrics
from ringline.protocol.codec import encode_body
from ringline.protocol.problems import ProblemType

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class AdminDoor:
    """`GET /metrics` for Prometheus, `/healthz` (the process answers), `/readyz` (so do its parts)."""

    def __init__(
        self, metrics: Metrics, health: Health, more: Mapping[str, Handler] | None = None
    ) -> None:
        """`more`: handlers of further paths, by how these begin."""
        self._more = dict(more or {})
        self._metrics = metrics
        self._health = health
        self.stopping = False
        """Not ready from then on, so that nobody is sent here any more."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        for prefix, handler in self._more.items():
            if request.path.startswith(prefix):
                return await handler(request)
        if request.method not in ("GET", "HEAD"):
            return problem_response(ProblemType.METHOD_NOT_ALLOWED.describe(), {"Allow": "GET"})
        match request.path:
            case "/metrics":
                body, content_type = await asyncio.to_thread(render_metrics, self._metrics)
                return web.Response(body=body, headers={**HEADERS, "Content-Type": content_type})
            case "/healthz":
                return _json(200, {"alive": True})
            case "/readyz":
                report = await self._health.check()
                ready = report.ready and not self.stopping
                return _json(200 if ready else 503, report)
        return problem_response(ProblemType.NOT_FOUND.describe())


def _json(status: int, answer: object) -> web.Response:
    return web.Response(
        status=status, body=encode_body(answer), content_type="application/json", headers=HEADERS
    )
