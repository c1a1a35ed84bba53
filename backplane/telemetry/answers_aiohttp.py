"""HTTP answers that every door gives alike."""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from ringline.protocol.codec import encode_body
from ringline.protocol.problems import Problem

PROBLEM_TYPE: Final = "application/problem+json"
HEADERS: Final = {
    "Server": "ringline",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """RFC 9457, with Retry-After where the problem says when."""
    extra = dict(headers or {})
    if problem.retry_after_s is not None:
        extra["Retry-After"] = str(problem.retry_after_s)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        extra.setdefault("WWW-Authenticate", "Bearer")
    return web.Response(
        status=problem.status,
        body=encode_body(problem),
        content_type=PROBLEM_TYPE,
        headers={**HEADERS, **extra},
    )
