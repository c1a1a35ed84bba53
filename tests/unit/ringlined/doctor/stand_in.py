"""A server that answers what a test says, to judge the doctor's own questions."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = tuple[int, Any]
Rule = Callable[[str, str], Answer]


@dataclass
class StandIn:
    rule: Rule
    """Of method and path."""
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        await request.read()
        status, body = self.rule(request.method, request.path)
        return web.Response(
            status=status, body=json.dumps(body).encode(), content_type="application/json"
        )


@asynccontextmanager
async def stand_in(rule: Rule) -> AsyncIterator[StandIn]:
    server = StandIn(rule)
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def healthy(*sick: str) -> Any:
    probes = [
        {"name": name, "ok": name not in sick, "elapsed_ms": 1, "problem": "StorageFull"}
        for name in ("records", "queues", "registry")
    ]
    return {"ready": not sick, "probes": probes}
