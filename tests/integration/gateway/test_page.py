"""The web page through a real gateway."""

from functools import partial
from pathlib import Path

import pytest

from signaling.net import page
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.stage import Answer, Ground, Node, until

CALL = "/join/0199f0f4-7a3c-7d3e-9c1b-0a1b2c3d4e5f"
HTML = b"<!doctype html><title>Ringline</title>\n"


@pytest.fixture
async def node(
    start_node: StartNode, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Node:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(HTML)
    (tmp_path / "assets" / "a-1.js").write_bytes(b"export {};\n")
    monkeypatch.setattr(page, "BUILT", tmp_path)
    return await start_node(ground)


def tag_of(answer: Answer) -> str:
    (tag,) = (value for name, value in answer.headers.items() if name.lower() == "etag")
    return tag


async def test_the_page_comes_for_the_start_and_for_links(node: Node) -> None:
    for path, label in (("/", "/"), (CALL, "/join/{call}")):
        answer = await node.request("GET", path)
        assert (answer.status, answer.body) == (200, HTML)
        assert answer.headers["Server"] == "ringline"
        counted = partial(node.counted, "http_requests_total", route=label, method="GET")
        assert await until(partial(counted, status="200")) == 1
    assert (await node.request("GET", "/assets/a-1.js")).body == b"export {};\n"


async def test_head_tells_without_sending(node: Node) -> None:
    answer = await node.request("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(HTML))
    assert tag_of(answer)


async def test_a_known_page_is_not_sent_again(node: Node) -> None:
    tag = tag_of(await node.request("GET", "/"))
    answer = await node.request("GET", "/", headers={"If-None-Match": tag})
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize("path", ["/", CALL, "/assets/a-1.js"])
async def test_pages_are_only_read(node: Node, path: str) -> None:
    answer = await node.request("POST", path, data=b"x")
    assert (answer.status, answer.problem()) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/a-1.js%00", "/join/x"]
)
async def test_there_is_no_way_out_of_the_page(node: Node, path: str) -> None:
    answer = await node.request("GET", path)
    assert (answer.status, answer.problem()) == (404, "not-found")


async def test_pages_count_against_their_addresss_budget(
    start_node: StartNode, ground: Ground
) -> None:
    settings = GatewaySettings(address_requests_per_s=1, address_requests_burst=3)
    node = await start_node(ground, settings)
    statuses = [(await node.request("GET", "/")).status for _ in range(5)]
    assert statuses[-1] == 429


async def test_our_own_page_may_open_the_socket(node: Node) -> None:
    wire = await node.dial(headers={"Origin": node.url, "Sec-Fetch-Site": "same-origin"})
    await wire.close()
