"""Floods, bombs, the deaf and the forgers: each costs itself only."""

import asyncio
import socket
import zlib
from contextlib import suppress
from uuid import UUID

import aiohttp
import pytest
from msgspec.structs import replace

from ringline.protocol import frames, limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import MSGPACK
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import ReceiptKind
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.stage import Ground, Node, Person, until

HANDSHAKE = (
    b"GET /v1/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: ringline.v1.msgpack\r\n%s\r\n"
)


async def upgraded(
    node: Node, extra: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(HANDSHAKE % extra)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"permessage-deflate" not in head
    return reader, writer


async def close_code(reader: asyncio.StreamReader) -> int:
    """Of the close frame, which must be the next one."""
    head = await reader.readexactly(2)
    assert head[0] == 0x88
    return int.from_bytes((await reader.readexactly(head[1]))[:2], "big")


@pytest.mark.parametrize("forged", [[999], [0], [2**53 - 1], list(range(100, 300))])
async def test_d8_a_forged_acknowledgement_removes_nothing(
    node: Node, ann: Person, bob: Person, forged: list[int]
) -> None:
    eve = await node.register("+447911100003")
    one, third = await node.connect(ann), await node.connect(eve)
    for index in range(3):
        await one.send(ann.write(bob, b"for bob", index + 1))
        await one.expect(frames.Sent)
    await third.send(frames.Acknowledge(ref=5, positions=forged))
    error = await third.expect(frames.Error)
    assert (error.ref, error.problem.type) == (5, ProblemType.NOT_FOUND.uri)
    await third.send(frames.Acknowledge(ref=6, positions=[1, 2, 3]))
    assert (await third.expect(frames.Error)).problem.status == 404
    other = await node.connect(bob)
    assert len(await other.messages(3)) == 3
    assert not [f for f in one.seen if isinstance(f, frames.Deliver)], "no receipt was forged"


async def test_d8_negative_positions_are_no_frame(node: Node, ann: Person) -> None:
    wire = await node.connect(ann)
    await wire.send_raw(wire.codec.encode({"type": "acknowledge", "ref": 5, "positions": [-1]}))
    error = await wire.expect(frames.Error)
    assert (error.ref, error.problem.type) == (5, ProblemType.INVALID.uri)


async def test_d8_known_positions_of_a_forged_frame_take_effect(
    node: Node, ann: Person, bob: Person
) -> None:
    one, other = await node.connect(ann), await node.connect(bob)
    await one.send(ann.write(bob))
    (delivered,) = await other.messages(1)
    await other.send(frames.Acknowledge(ref=5, positions=[delivered.position, 77]))
    assert "77" in ((await other.expect(frames.Error)).problem.detail or "")
    receipt = (await one.expect(frames.Deliver)).entry
    assert isinstance(receipt, frames.Receipt)
    assert receipt.kind is ReceiptKind.DELIVERED


async def test_d9_a_slow_device_is_cut_and_costs_nobody_else(
    start_node: StartNode, ground: Ground
) -> None:
    node = await start_node(ground, GatewaySettings(send_timeout_s=1))
    ann, slow = await node.register("+447911100001"), await node.register("+447911100002")
    one = await node.connect(ann)
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", node.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(HANDSHAKE % b"")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(masked(MSGPACK.encode(frames.Authenticate(token=slow.token))))
    await until(lambda: node.counted("leases_held") == 2)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads, being a stream's
    others = [await node.register(f"+4479111020{index:02}") for index in range(5)]
    wires = [await node.connect(other) for other in others]
    for _ in range(40):
        await one.send(ann.write(slow, b"x" * 100_000, 0))
    worst = 0.0
    deadline = loop.time() + 10
    while node.counted("sessions_closed_total", code="4007") == 0:
        assert loop.time() < deadline
        for other, wire in zip(others, wires, strict=True):
            start = loop.time()
            await one.send(ann.write(other, b"live", 0))
            (delivered,) = await wire.messages(1)
            worst = max(worst, loop.time() - start)
            await wire.send(frames.Acknowledge(positions=[delivered.position]))
        await asyncio.sleep(0.1)
    assert worst < 1
    writer.close()
    again = await node.connect(slow)
    sequences = []
    for _ in range(40):
        (delivered,) = await again.messages(1)
        assert isinstance(delivered.entry, frames.Message)
        sequences.append(delivered.entry.sequence)
        await again.send(frames.Acknowledge(positions=[delivered.position]))
    assert sequences == list(range(1, 41)), "it gets all, in order, on return"


def masked(payload: bytes, opcode: int = 0x82) -> bytes:
    """A client's frame with the mask 0 (RFC 6455 §5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes([opcode, 0x80 | size])
    elif size < 65536:
        head = bytes([opcode, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([opcode, 0x80 | 127]) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


async def test_d11_a_gigabyte_frame_is_refused_by_its_header(node: Node) -> None:
    reader, writer = await upgraded(node)
    start = asyncio.get_running_loop().time()
    writer.write(b"\x82\xff" + (2**30).to_bytes(8, "big") + b"\0\0\0\0" + b"slow")
    assert await close_code(reader) == CloseCode.TOO_BIG
    assert asyncio.get_running_loop().time() - start < 1
    writer.close()


async def test_d11_a_frame_of_the_largest_size_is_taken(node: Node, ann: Person) -> None:
    wire = await node.connect(ann)
    await wire.send_raw(b"\xc1" * limits.FRAME_BYTES_MAX)
    assert await wire.expect_close() is CloseCode.MALFORMED_FRAME
    second = await node.connect(ann)
    await second.send_raw(b"\xc1" * (limits.FRAME_BYTES_MAX + 1))
    assert await second.expect_close() is CloseCode.TOO_BIG


async def test_d11_fragments_do_not_add_up_beyond_the_limit(node: Node) -> None:
    reader, writer = await upgraded(node)
    writer.write(masked(b"x" * 65536, 0x02))
    with suppress(ConnectionError):
        for _ in range(32):
            writer.write(masked(b"x" * 65536, 0x00))
            await writer.drain()
    assert await close_code(reader) == CloseCode.TOO_BIG
    writer.close()


async def test_d11_deep_frames_are_refused(node: Node, ann: Person) -> None:
    wire = await node.connect(ann)
    await wire.send_raw(b"\x91" * 100_000)
    error = await wire.expect(frames.Error)
    assert error.problem.status in {400, 422}


async def test_d12_a_compressed_frame_is_not_opened(node: Node) -> None:
    reader, writer = await upgraded(node, b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
    bomb = zlib.compress(b"\0" * 2**22)
    writer.write(masked(bomb, 0x82 | 0x40))
    assert await close_code(reader) == CloseCode.PROTOCOL_ERROR
    writer.close()


async def test_a3_idle_strangers_are_cut_and_a_real_user_connects(
    start_node: StartNode, ground: Ground
) -> None:
    settings = replace(
        GatewaySettings(),
        authentication_timeout_s=1.5,
        anonymous_connections_per_address_max=10,
    )
    node = await start_node(ground, settings)
    ann = await node.register("+447911100001")

    async def idle(source: int) -> asyncio.StreamReader | None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", node.port, local_addr=(f"127.0.1.{source}", 0)
        )
        idlers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(HANDSHAKE % b"")
            await reader.readuntil(b"\r\n\r\n")
            return reader
        return None

    idlers: list[asyncio.StreamWriter] = []
    loop = asyncio.get_running_loop()
    start = loop.time()
    strangers = await asyncio.gather(*(idle(1 + index // 20) for index in range(200)))
    open_now = [reader for reader in strangers if reader is not None]
    assert len(open_now) == 100, "ten of each of ten addresses"
    before = loop.time()
    wire = await node.connect(ann)
    assert loop.time() - before < 1
    codes = await asyncio.gather(*(close_code(reader) for reader in open_now))
    assert set(codes) == {CloseCode.AUTHENTICATION_TIMEOUT}
    assert loop.time() - start < 10
    await wire.send(frames.Ping(ref=1))
    await wire.expect(frames.Pong)
    for writer in idlers:
        writer.close()


async def test_a5_a_flood_is_held_back_then_cut_and_others_go_on(
    start_node: StartNode, ground: Ground
) -> None:
    settings = GatewaySettings(
        account_frames_per_s=200, account_frames_burst=100, throttled_s_max=2
    )
    node = await start_node(ground, settings)
    ann, bob = await node.register("+447911100001"), await node.register("+447911100002")
    flood, calm = await node.connect(ann), await node.connect(bob)
    answered = 0

    async def pour() -> CloseCode:
        nonlocal answered
        ping = MSGPACK.encode(frames.Ping(ref=1))

        async def write() -> None:
            with suppress(ConnectionError, aiohttp.ClientError):
                while True:
                    for _ in range(100):
                        await flood.ws.send_bytes(ping)
                    await asyncio.sleep(0.002)

        writing = asyncio.create_task(write())
        try:
            while isinstance(frame := await flood.receive(10), frames.ServerFrame):
                answered += isinstance(frame, frames.Pong)
            return CloseCode(int(frame)) if isinstance(frame, int) else CloseCode.INTERNAL_ERROR
        finally:
            writing.cancel()

    loop = asyncio.get_running_loop()
    start = loop.time()
    pouring = asyncio.create_task(pour())
    worst = 0.0
    while not pouring.done():
        before = loop.time()
        await calm.send(frames.Ping(ref=2))
        await calm.expect(frames.Pong)
        worst = max(worst, loop.time() - before)
        await asyncio.sleep(0.02)
        assert loop.time() - start < 60
    assert node.counted("sessions_closed_total", code="4029") == 1
    assert answered <= 100 + 200 * (loop.time() - start) + 5
    assert worst < 5, "others go on"


async def test_a10_one_budget_for_requests_and_frames(
    start_node: StartNode, ground: Ground
) -> None:
    node = await start_node(
        ground, GatewaySettings(account_frames_per_s=1, account_frames_burst=10)
    )
    ann = await node.register("+447911100001")
    wire = await node.connect(ann)
    for index in range(6):
        await wire.send(frames.Ping(ref=index + 1))
        await wire.expect(frames.Pong)
    statuses = [
        (await node.request("GET", "/v1/account", token=ann.token)).status for _ in range(6)
    ]
    assert statuses.count(200) in {4, 5}
    assert statuses[-1] == 429


async def test_a_large_watch_uses_up_the_budget(start_node: StartNode, ground: Ground) -> None:
    settings = GatewaySettings(account_frames_per_s=1, account_frames_burst=50)
    node = await start_node(ground, settings)
    ann = await node.register("+447911100001")
    wire = await node.connect(ann)
    assert (await node.request("GET", "/v1/account", token=ann.token)).status == 200
    await wire.send(frames.Watch(ref=1, accounts=[UUID(int=n) for n in range(50)]))
    await wire.expect(frames.Error)
    assert (await node.request("GET", "/v1/account", token=ann.token)).status == 429


async def test_pings_are_answered_and_count(start_node: StartNode, ground: Ground) -> None:
    settings = GatewaySettings(account_frames_per_s=50, account_frames_burst=10)
    node = await start_node(ground, settings)
    ann = await node.register("+447911100001")
    ws = await node.http.ws_connect(
        node.url + "/v1/socket", protocols=[MSGPACK.subprotocol], autoping=False
    )
    await ws.send_bytes(MSGPACK.encode(frames.Authenticate(token=ann.token)))
    for _ in range(2):
        await ws.receive(5)
    start = asyncio.get_running_loop().time()
    for index in range(40):
        await ws.ping(str(index).encode())
    pongs = [await ws.receive(5) for _ in range(40)]
    assert [pong.data for pong in pongs] == [str(index).encode() for index in range(40)]
    assert asyncio.get_running_loop().time() - start > 0.4
    await ws.close()
