"""Our half of the DevTools protocol, against a page that is made up and a browser that is none."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ringlined.demo.browser_guest import BrowserGuest
from ringlined.demo.chromium import Tab, find_chromium, tab
from ringlined.trial.program import StepFailed


class Page:
    """Answers what `values` says of each expression; sends an event before each answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        socket: web.WebSocketResponse = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = message.json()
            self.asked.append(asked)
            answer = (
                self.answers.pop(0) if self.answers else {"result": {"result": {"value": True}}}
            )
            await socket.send_json({"method": "Page.frameStartedLoading", "params": {}})
            await socket.send_json({"id": asked["id"], **answer})
        return socket

    @property
    def expressions(self) -> list[str]:
        return [a["params"]["expression"] for a in self.asked if "expression" in a["params"]]


@pytest.fixture
async def page() -> Page:
    return Page()


@pytest.fixture
async def opened(page: Page) -> AsyncIterator[Tab]:
    runner = web.ServerRunner(web.Server(page.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://{host}:{port}/") as socket:
        yield Tab(socket)
    await runner.cleanup()


async def test_events_between_question_and_answer_are_passed_over(opened: Tab, page: Page) -> None:
    page.answers = [{"result": {"result": {"value": 7}}}]
    assert await opened.evaluate("3 + 4") == 7
    await opened.open("http://127.0.0.1:8080/join/x")
    assert page.asked[1]["method"] == "Page.navigate"
    assert page.asked[1]["params"] == {"url": "http://127.0.0.1:8080/join/x"}


async def test_what_is_typed_is_quoted(opened: Tab, page: Page) -> None:
    await opened.fill("name", "\"); alert('x')")
    assert '"\\"); alert(\'x\')"' in page.expressions[0]


async def test_an_error_in_the_page_is_a_failed_step(opened: Tab, page: Page) -> None:
    page.answers = [{"result": {"result": {}, "exceptionDetails": {"text": "Uncaught"}}}]
    with pytest.raises(StepFailed, match="Uncaught"):
        await opened.evaluate("nothing.here")
    page.answers = [{"error": {"message": "no such method"}}]
    with pytest.raises(StepFailed, match="no such method"):
        await opened.open("about:blank")


async def test_what_does_not_come_is_named_with_what_is_shown(opened: Tab, page: Page) -> None:
    page.answers = [
        {"result": {"result": {"value": False}}},
        {"result": {"result": {"value": "Sign in"}}},
    ]
    with pytest.raises(StepFailed, match="no lobby within 0 s; it shows: Sign in"):
        await opened.until("lobby", "false", 0)


async def test_a_guest_goes_the_pages_way(opened: Tab, page: Page) -> None:
    guest = BrowserGuest(opened, "+15550100133", "000000", "Cleo")
    await guest.sign_in("http://127.0.0.1:8080/join/x")
    await guest.join()
    clicked = [e.split("'")[1] for e in page.expressions if e.endswith(".click()")]
    assert clicked == ["send-code", "register", "join"]
    page.answers = [
        {"result": {"result": {"value": True}}},
        {"result": {"result": {"value": [["Ann", 40], ["Bob", 30], ["Cleo", 90]]}}},
    ]
    assert await guest.sees(("Ann", "Bob"), 20) == {"Ann": 40, "Bob": 30}


async def test_a_browser_that_does_not_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="did not start"):
        async with tab("/bin/false", tmp_path):
            raise AssertionError("it opened")


def test_where_there_is_no_browser_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert find_chromium() is None
