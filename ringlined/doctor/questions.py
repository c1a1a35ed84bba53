"""HTTP questions to a stack, each with a deadline; a wrong answer is a sentence."""

import ssl
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from ringline.protocol.codec import Malformed, decode_body, encode_body
from ringline.protocol.problems import Problem
from ringlined.trial.program import StepFailed

T = TypeVar("T")
ANSWER_DEADLINE_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 1024 * 1024


class Unanswered(StepFailed):
    """Nobody there, or not in time."""


class Refusal(StepFailed):
    """An answer that says no. `status`: of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Questions:
    """`tls`: how the public door is checked; None: as this machine does by itself. `ca_file`: what the
    `ringline` program is to trust, too."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_DEADLINE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.tls: ssl.SSLContext | None = None
        self.ca_file = ""

    async def close(self) -> None:
        await self._session.close()

    async def fetch(
        self, method: str, url: str, *, body: object = None, token: str = ""
    ) -> tuple[int, bytes]:
        """Status and content. Raises Unanswered."""
        headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        more: dict[str, Any] = {"ssl": self.tls} if self.tls is not None else {}
        if body is not None:
            more["data"] = encode_body(body)
            headers = {**headers, "Content-Type": "application/json"}
        try:
            async with self._session.request(method, url, headers=headers, **more) as answer:
                return answer.status, await answer.content.read(ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(f"{url}: {error}") from None
        except TimeoutError:
            raise Unanswered(f"{url}: no answer within {ANSWER_DEADLINE_S:.0f} s") from None

    async def ask(
        self, method: str, url: str, shape: type[T], *, body: object = None, token: str = ""
    ) -> T:
        """Raises Unanswered, Refusal."""
        status, content = await self.fetch(method, url, body=body, token=token)
        if status >= 300:
            raise Refusal(f"{method} {url}: {status} {_problem(content)}", status)
        try:
            return decode_body(content, shape)
        except Malformed:
            raise StepFailed(f"{method} {url}: an answer of another shape") from None

    async def opens_socket(self, url: str, protocol: str) -> None:
        """Whether a WebSocket can be opened there. Raises Unanswered."""
        try:
            more: dict[str, Any] = {"ssl": self.tls} if self.tls is not None else {}
            async with self._session.ws_connect(url, protocols=[protocol], **more) as socket:
                await socket.close()
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(f"{url}: {error}") from None
        except TimeoutError:
            raise Unanswered(f"{url}: no answer within {ANSWER_DEADLINE_S:.0f} s") from None


def _problem(content: bytes) -> str:
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except msgspec.MsgspecError:
        return ""
    return " ".join(filter(None, (problem.title, problem.detail)))
