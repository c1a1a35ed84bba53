"""REST against a server of the test's own that misbehaves on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import msgspec
import pytest
from aiohttp import web

from ringline.client.errors import DeadlinePassed, ProtocolBroken, Refused, Unreachable
from ringline.client.net import rest as module
from ringline.client.net.rest import ATTEMPTS_MAX, Rest
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import Contacts, LinkCode

Answer = Callable[[web.Request], web.StreamResponse]


def problem(kind: ProblemType, retry_after_s: int | None = None) -> Answer:
    described = kind.describe(retry_after_s=retry_after_s)
    body = msgspec.json.encode(described)
    return lambda _: web.Response(
        status=described.status, body=body, content_type="application/problem+json"
    )


def contacts(_: web.Request) -> web.Response:
    return web.json_response({"contacts": []})


class Server:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, str, str | None, bytes]] = []
        self.hang = asyncio.Event()
        self.hangs = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        seen = (request.method, request.path, request.headers.get("Authorization"))
        self.requests.append((*seen, await request.read()))
        if self.hangs:
            await self.hang.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def rest(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rest]:
    monkeypatch.setattr(module, "RETRY_FIRST_MS", 1)
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [(host, port)] = runner.addresses
    async with aiohttp.ClientSession() as session:
        yield Rest(f"http://{host}:{port}/", session, lambda: 0.0)
        server.hang.set()
    await runner.cleanup()


async def test_asks_with_token_and_body(server: Server, rest: Rest) -> None:
    server.answers = [contacts]
    assert await rest.ask("GET", "/v1/contacts", Contacts, token="t" * 43) == Contacts(contacts=[])
    await rest.ask("POST", "/v1/x", Contacts, body={"a": 1})
    assert server.requests == [
        ("GET", "/v1/contacts", "Bearer " + "t" * 43, b""),
        ("POST", "/v1/x", None, b'{"a":1}'),
    ]


async def test_no_answer_is_expected_where_there_is_none(server: Server, rest: Rest) -> None:
    server.answers = [lambda _: web.Response(status=204)]
    await rest.ask("DELETE", "/v1/devices/2", type(None))
    assert server.requests[0][:2] == ("DELETE", "/v1/devices/2")


async def test_problems_are_exceptions_with_all_they_say(server: Server, rest: Rest) -> None:
    server.answers = [problem(ProblemType.RATE_LIMITED, retry_after_s=60)]
    with pytest.raises(Refused) as refused:
        await rest.ask("GET", "/v1/contacts", Contacts, repeat=True)
    assert (refused.value.name, refused.value.problem.retry_after_s) == ("rate-limited", 60)
    assert len(server.requests) == 1, "a long pause is the caller's to take"


async def test_what_passes_is_asked_again(server: Server, rest: Rest) -> None:
    server.answers = [problem(ProblemType.UNAVAILABLE), problem(ProblemType.UNAVAILABLE), contacts]
    assert await rest.ask("GET", "/v1/contacts", Contacts, repeat=True) == Contacts(contacts=[])
    assert len(server.requests) == 3


async def test_repeats_are_bounded(server: Server, rest: Rest) -> None:
    server.answers = [problem(ProblemType.UNAVAILABLE)]
    with pytest.raises(Refused):
        await rest.ask("GET", "/v1/contacts", Contacts, repeat=True)
    assert len(server.requests) == ATTEMPTS_MAX


async def test_what_must_not_be_repeated_is_not(server: Server, rest: Rest) -> None:
    server.answers = [problem(ProblemType.UNAVAILABLE)]
    with pytest.raises(Refused):
        await rest.ask("POST", "/v1/registrations", Contacts, body={})
    assert len(server.requests) == 1


async def test_a_deadline(server: Server, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 0.05)
    server.hangs, server.answers = True, [contacts]
    with pytest.raises(DeadlinePassed):
        await rest.ask("GET", "/v1/contacts", Contacts)


async def test_nobody_there(rest: Rest) -> None:
    rest.url = "http://127.0.0.1:1"
    with pytest.raises(Unreachable, match="cannot be reached"):
        await rest.ask("GET", "/v1/contacts", Contacts)


async def test_a_proxy_that_answers_in_html(server: Server, rest: Rest) -> None:
    server.answers = [lambda _: web.Response(status=404, text="<h1>nginx</h1>")]
    with pytest.raises(Refused) as refused:
        await rest.ask("GET", "/v1/contacts", Contacts)
    assert refused.value.problem.status == 404
    assert "404" in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"{", b'{"link_code": 1}', b"[]", b"\xff"])
async def test_an_answer_of_another_shape(server: Server, rest: Rest, body: bytes) -> None:
    server.answers = [lambda _: web.Response(body=body)]
    with pytest.raises(ProtocolBroken) as broken:
        await rest.ask("POST", f"/v1/registrations/{'s' * 43}/device", LinkCode)
    assert "s" * 43 not in str(broken.value), "a token is not for messages"


async def test_an_answer_without_end(server: Server, rest: Rest) -> None:
    server.answers = [lambda _: web.Response(body=b" " * (3 * 1024 * 1024))]
    with pytest.raises(ProtocolBroken, match="1 MiB"):
        await rest.ask("GET", "/v1/contacts", Contacts)


async def test_redirects_carry_no_token_elsewhere(server: Server, rest: Rest) -> None:
    server.answers = [lambda _: web.Response(status=302, headers={"Location": "http://other/"})]
    with pytest.raises(Refused):
        await rest.ask("GET", "/v1/contacts", Contacts, token="t" * 43)
    assert len(server.requests) == 1
