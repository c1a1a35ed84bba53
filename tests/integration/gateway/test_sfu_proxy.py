"""`/v1/sfu/{node}`: carried to the node and back, with its limits and its ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from ringline.protocol import limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Codec
from signaling.net import sfu_proxy
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.group_ground import announce
from tests.integration.gateway.sfu_stand_in import Serve, SfuStandIn, Socket, echo
from tests.integration.gateway.stage import Ground, Node, until

StartSfu = Callable[..., Awaitable[SfuStandIn]]
NAME = "sfu-1a2b3c4d"
WAIT_S = 5.0


@pytest.fixture
async def start_sfu() -> AsyncIterator[StartSfu]:
    started: list[SfuStandIn] = []

    async def start(node: Node, serve: Serve = echo, name: str = NAME) -> SfuStandIn:
        sfu = SfuStandIn(serve)
        started.append(sfu)
        await announce(node, name, address=await sfu.start())
        return sfu

    yield start
    for sfu in started:
        await sfu.stop()


async def dial(node: Node, name: str = NAME, **options: Any) -> aiohttp.ClientWebSocketResponse:
    options.setdefault("protocols", ["ringline.v1.msgpack"])
    ws: aiohttp.ClientWebSocketResponse = await node.http.ws_connect(
        f"{node.url}/v1/sfu/{name}", max_msg_size=0, **options
    )
    return ws


async def refusal(node: Node, name: str = NAME, **options: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await dial(node, name, **options)
    return refused.value.status


async def ended(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    message = await ws.receive(WAIT_S)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), message
    return ws.close_code


async def test_frames_pass_both_ways_as_they_are(
    node: Node, start_sfu: StartSfu, chosen: Codec
) -> None:
    sfu = await start_sfu(node)
    ws = await dial(node, protocols=["unknown", chosen.subprotocol])
    assert ws.protocol == chosen.subprotocol
    assert sfu.requests[0].path == f"/v1/sfu/{NAME}"
    assert sfu.sockets[0].ws_protocol == chosen.subprotocol
    for size in (0, 1, 126, 70_000, limits.FRAME_BYTES_MAX):
        await ws.send_bytes(b"x" * size)
        assert await ws.receive_bytes(timeout=WAIT_S) == b"x" * size
    await ws.send_str("é" * 1000)
    assert await ws.receive_str(timeout=WAIT_S) == "é" * 1000
    assert node.counted("sfu_proxied_open") == 1
    await ws.close()
    await until(lambda: node.counted("sfu_proxied_open") == 0)


async def test_many_frames_keep_their_order(node: Node, start_sfu: StartSfu) -> None:
    await start_sfu(node)
    ws = await dial(node)

    async def send() -> None:
        for number in range(2_000):
            await ws.send_bytes(b"%d" % number)

    sending = asyncio.create_task(send())
    got = [await ws.receive_bytes(timeout=WAIT_S) for _ in range(2_000)]
    await sending
    assert got == [b"%d" % number for number in range(2_000)]
    await ws.close()


@pytest.mark.parametrize("code", [1000, 1013, 4000, 4010, 4011, 4012, 4013])
async def test_the_nodes_close_code_reaches_the_client(
    node: Node, start_sfu: StartSfu, code: int
) -> None:
    async def refuse(socket: Socket) -> None:
        await socket.receive()
        await socket.close(code=code)

    await start_sfu(node, refuse)
    ws = await dial(node)
    await ws.send_bytes(b"join")
    assert await ended(ws) == code


@pytest.mark.parametrize("code", [1000, 1001, 4999])
async def test_the_clients_close_code_reaches_the_node(
    node: Node, start_sfu: StartSfu, code: int
) -> None:
    sfu = await start_sfu(node)
    ws = await dial(node)
    await ws.close(code=code)
    await until(lambda: sfu.codes == [code])


async def test_a_client_that_breaks_off_is_gone_at_the_node(
    node: Node, start_sfu: StartSfu
) -> None:
    sfu = await start_sfu(node)
    ws = await dial(node)
    ws._response.connection.transport.abort()  # type: ignore[union-attr]
    await until(lambda: sfu.codes == [CloseCode.GOING_AWAY])


async def test_a_node_that_dies_is_told_to_the_client(node: Node, start_sfu: StartSfu) -> None:
    sfu = await start_sfu(node)
    ws = await dial(node)
    await until(lambda: sfu.sockets)
    sfu.vanish()
    assert await ended(ws) == CloseCode.GOING_AWAY
    await until(lambda: node.counted("sfu_proxied_ended_total", reason="closed") == 1)


async def test_unknown_nodes_are_not_found(node: Node, start_sfu: StartSfu) -> None:
    await start_sfu(node)
    await announce(node, "relay-1", role="turn", address="http://127.0.0.1:1")
    assert await refusal(node, "sfu-other") == 404
    assert await refusal(node, "relay-1") == 404
    for path in ("sfu-1/..", "%2e%2e", "A", "a" * 65, "sfu_1", ""):
        assert (await node.request("GET", f"/v1/sfu/{path}")).status == 404
    assert node.counted("sfu_proxied_ended_total", reason="unknown-node") == 2


async def test_a_node_that_does_not_answer_is_unavailable(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await announce(node, NAME, address="http://127.0.0.1:1")
    assert await refusal(node) == 503
    monkeypatch.setattr(sfu_proxy, "CONNECT_TIMEOUT_S", 0.2)
    loop = asyncio.get_running_loop()
    silent = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    await announce(node, NAME, address=address)
    assert await refusal(node) == 503
    silent.close()
    assert node.counted("sfu_proxied_ended_total", reason="unreachable") == 2
    assert node.counted("sfu_proxied_open") == 0


async def test_a_foreign_page_is_refused(node: Node, start_sfu: StartSfu) -> None:
    sfu = await start_sfu(node)
    assert await refusal(node, origin="https://evil.example") == 403
    assert await refusal(node, protocols=["unknown"]) == 400
    assert (await node.request("GET", f"/v1/sfu/{NAME}")).status == 400
    posted = await node.request("POST", f"/v1/sfu/{NAME}")
    assert (posted.status, posted.headers["Allow"]) == (405, "GET")
    assert sfu.requests == []


@pytest.mark.parametrize("size", [limits.FRAME_BYTES_MAX + 2])
async def test_frames_beyond_the_limit_end_the_connection(
    node: Node, start_sfu: StartSfu, size: int
) -> None:
    sfu = await start_sfu(node)
    ws = await dial(node)
    await ws.send_bytes(b"x" * size)
    assert await ended(ws) == CloseCode.TOO_BIG
    await until(lambda: len(sfu.codes) == 1)

    async def too_much(socket: Socket) -> None:
        await socket.send_bytes(b"x" * size)
        await socket.receive()

    await start_sfu(node, too_much, "sfu-loud")
    other = await dial(node, "sfu-loud")
    assert await ended(other) is not None


async def test_so_many_at_a_time(
    start_node: StartNode, start_sfu: StartSfu, ground: Ground
) -> None:
    node = await start_node(ground, GatewaySettings(sfu_connections_max=2))
    await start_sfu(node)
    first, second = await dial(node), await dial(node)
    assert await refusal(node) == 503
    assert node.counted("sfu_proxied_ended_total", reason="full") == 1
    await first.close()
    await until(lambda: node.counted("sfu_proxied_open") == 1)
    third = await dial(node)
    await third.send_bytes(b"here")
    assert await third.receive_bytes(timeout=WAIT_S) == b"here"
    for ws in (second, third):
        await ws.close()


async def test_an_address_that_guesses_tickets_is_slowed(
    start_node: StartNode, start_sfu: StartSfu, ground: Ground
) -> None:
    async def refuse(socket: Socket) -> None:
        await socket.close(code=CloseCode.TICKET_REFUSED)

    settings = GatewaySettings(address_requests_per_s=1, address_requests_burst=3)
    node = await start_node(ground, settings)
    await start_sfu(node, refuse)
    for _ in range(3):
        assert await ended(await dial(node)) == CloseCode.TICKET_REFUSED
    await until(lambda: node.counted("sfu_proxied_open") == 0)
    assert await refusal(node) == 429


async def test_who_was_not_let_in_counts_against_the_address(
    start_node: StartNode,
    start_sfu: StartSfu,
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = GatewaySettings(anonymous_connections_per_address_max=2)
    node = await start_node(ground, settings)
    await start_sfu(node)
    held = [await dial(node) for _ in range(2)]
    with pytest.raises(aiohttp.ClientError):
        await dial(node)
    for ws in held:
        await ws.close()
    await until(lambda: node.counted("sfu_proxied_open") == 0)
    monkeypatch.setattr(sfu_proxy, "SETTLED_S", 0.0)
    stayed = [await dial(node) for _ in range(4)]
    for ws in stayed:
        await ws.close()


async def test_behind_a_proxy_it_counts_against_the_client_too(
    start_node: StartNode,
    start_sfu: StartSfu,
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = GatewaySettings(
        anonymous_connections_per_address_max=2, trusted_proxies=("127.0.0.1",)
    )
    node = await start_node(ground, settings)
    await start_sfu(node)
    client, other = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "203.0.113.2"}
    held = [await dial(node, headers=client) for _ in range(2)]
    assert await refusal(node, headers=client) == 429
    held.append(await dial(node, headers=other))
    for ws in held:
        await ws.close()
    await until(lambda: node.counted("sfu_proxied_open") == 0)
    monkeypatch.setattr(sfu_proxy, "SETTLED_S", 0.0)
    stayed = [await dial(node, headers=client) for _ in range(4)]
    for ws in stayed:
        await ws.close()


async def test_a_client_that_does_not_read_costs_itself(
    start_node: StartNode, start_sfu: StartSfu, ground: Ground
) -> None:
    sent = 0

    async def flood(socket: Socket) -> None:
        nonlocal sent
        while not socket.closed:
            await socket.send_bytes(b"x" * 65_536)
            sent += 65_536
            await asyncio.sleep(0)

    node = await start_node(ground, GatewaySettings(send_timeout_s=0.3))
    sfu = await start_sfu(node, flood)
    deaf = await dial(node)
    transport = deaf._response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()  # type: ignore[union-attr]
    await until(lambda: node.counted("sfu_proxied_ended_total", reason="slow") == 1, 20)
    await until(lambda: len(sfu.codes) == 1, 20)
    assert sent < 32 * 1024 * 1024, "what nobody reads is not taken from the node"
    transport.abort()  # type: ignore[union-attr]
    sfu.serve = echo
    other = await dial(node)
    await other.send_bytes(b"fine")
    assert await other.receive_bytes(timeout=WAIT_S) == b"fine"
    await other.close()


async def test_the_gateways_stop_sends_everybody_away(ground: Ground, start_sfu: StartSfu) -> None:
    node = await Node.start(ground)
    sfu = await start_sfu(node)
    sockets = [await dial(node) for _ in range(3)]
    waiting = [asyncio.create_task(ended(ws)) for ws in sockets]
    await until(lambda: len(sfu.sockets) == 3)
    stopping = asyncio.create_task(node.gateway.stop())
    assert await asyncio.gather(*waiting) == [CloseCode.GOING_AWAY] * 3
    await until(lambda: len(sfu.codes) == 3)
    assert sfu.codes == [CloseCode.GOING_AWAY] * 3
    await stopping
    await node.http.close()
