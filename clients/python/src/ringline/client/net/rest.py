"""REST requests: deadlines, bounded repeats of what may be repeated, problems as exceptions."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiohttp

from ringline.client.backoff import Backoff
from ringline.client.errors import DeadlinePassed, ProtocolBroken, Refused, Unreachable
from ringline.protocol import codec, limits
from ringline.protocol.problems import Problem

T = TypeVar("T")

REQUEST_TIMEOUT_S: Final = 10.0
"""Of one attempt."""
ATTEMPTS_MAX: Final = 4
RETRY_AFTER_S_MAX: Final = 3
"""A server that asks for a longer pause is taken at its word: the caller is told."""
RETRY_FIRST_MS: Final = 200
_TEMPORARY: Final = frozenset({429, 502, 503, 504})


class Rest:
    """One server. `url` without a path, http or https."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, uniform: Callable[[], float]
    ) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._uniform = uniform

    async def ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: Any = None,
        token: str | None = None,
        repeat: bool = False,
    ) -> T:
        """Raise Refused, Unreachable, DeadlinePassed, ProtocolBroken. `repeat`: doing it twice is
        harmless, so a lost answer is asked for again."""
        status, data = await self._try(method, path, body, token, repeat)
        if status >= 300:
            raise Refused(_problem(status, data))
        if answer is type(None):
            return None
        try:
            return codec.decode_body(data, answer)
        except codec.Malformed:
            raise ProtocolBroken(f"{method} {_shape(path)}: an answer of another shape") from None

    async def _try(
        self, method: str, path: str, body: Any, token: str | None, repeat: bool
    ) -> tuple[int, bytes]:
        backoff = Backoff(self._uniform, RETRY_FIRST_MS)
        while True:
            last = not repeat or backoff.attempts >= ATTEMPTS_MAX - 1
            wait_ms = backoff.next_ms()
            try:
                status, data = await self._once(method, path, body, token)
            except Unreachable:
                if last:
                    raise
            else:
                if last or status not in _TEMPORARY:
                    return status, data
                wait_s = _problem(status, data).retry_after_s or 0
                if wait_s > RETRY_AFTER_S_MAX:
                    return status, data
                wait_ms = max(wait_ms, wait_s * 1000)
            await asyncio.sleep(wait_ms / 1000)

    async def _once(
        self, method: str, path: str, body: Any, token: str | None
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else codec.encode_body(body)
        try:
            async with (
                asyncio.timeout(REQUEST_TIMEOUT_S),
                self._session.request(
                    method, self.url + path, data=data, headers=headers, allow_redirects=False
                ) as response,
            ):
                return response.status, await _read(response)
        except TimeoutError:
            raise DeadlinePassed(f"no answer within {REQUEST_TIMEOUT_S:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"{self.url} cannot be reached: {_reason(error)}") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, as far as an honest server's may go."""
    data = await response.content.read(limits.FRAME_BYTES_MAX + 1)
    while chunk := await response.content.read(limits.FRAME_BYTES_MAX + 1):
        data += chunk
        if len(data) > limits.FRAME_BYTES_MAX:
            raise ProtocolBroken("an answer beyond 1 MiB")
    return data


def _problem(status: int, data: bytes) -> Problem:
    try:
        return codec.decode_body(data, Problem)
    except codec.Malformed:
        title = f"The server (or a proxy before it) answered {status}"
        return Problem(type="about:blank", title=title, status=status)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "no connection"
    return type(error).__name__


def _shape(path: str) -> str:
    """Without what may be a token."""
    return "/".join(part if len(part) < 20 else "…" for part in path.split("/"))
