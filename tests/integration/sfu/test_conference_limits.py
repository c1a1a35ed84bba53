"""What one connection, and all of them, may take of a node; and what an operator sees of it."""

import socket
from uuid import uuid4

import aiohttp
import msgspec
import pytest

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import SUBPROTOCOL_JSON
from ringline.protocol.sfu import Join, Joined, Ping, Pong
from ringline.protocol.sfu_codec import SFU_JSON
from sfu.net import connection, signalling
from tests.integration.sfu.callers import Caller
from tests.integration.sfu.conftest import SETTINGS, Stage, StageMaker
from tests.integration.sfu.test_conference_media import Pair


async def test_what_does_not_fit_the_queue_ends_the_connection(make_stage: StageMaker) -> None:
    settings = msgspec.structs.replace(SETTINGS, sending_bytes_max=300)
    async with make_stage(settings) as stage:
        call = uuid4()
        async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
            await ann.join(stage.tickets.make(call), "n" * 64)
            # The second one's first state lists the first, and is longer than the queue.
            await ben.send(Join(ref=1, ticket=stage.tickets.make(call), name="n" * 64))
            assert await ben.closed() == CloseCode.SLOW_CONSUMER
            await ann.send(Ping(ref=2))
            assert (await ann.expect(Pong)).ref == 2
        assert stage.count("sfu_closed", code="4007") == 1


async def test_strangers_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling, "STRANGERS_MAX", 2)
    async with Caller(stage.sfu) as ann, Caller(stage.sfu):
        third = Caller(stage.sfu)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await third.connect()
        assert refused.value.status == 503
        await ann.join(stage.tickets.make(uuid4()))
        await third.connect()
        await third.__aexit__()


async def test_a_flood_of_pings_is_read_slowly_and_then_not_at_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A6."""
    monkeypatch.setattr(connection, "FRAMES_BURST", 10)
    monkeypatch.setattr(connection, "FRAMES_PER_S", 100)
    monkeypatch.setattr(connection, "THROTTLED_S_MAX", 0.5)
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        await ann.join(stage.tickets.make(uuid4()))
        await ben.join(stage.tickets.make(uuid4()))
        for ref in range(1, 2_001):
            await ann.send(Ping(ref=ref))
        await ben.send(Ping(ref=1))
        await ben.expect(Pong)
        assert await ann.closed() == CloseCode.RATE_LIMITED
        assert sum(isinstance(frame, Pong) for frame in ann.frames) < 500


async def test_json_says_the_same(stage: Stage) -> None:
    host, port = stage.sfu.signalling_address
    url = f"http://{host}:{port}/v1/sfu/{stage.sfu.node}"
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, protocols=[SUBPROTOCOL_JSON]) as ws,
    ):
        join = Join(ref=1, ticket=stage.tickets.make(uuid4()))
        await ws.send_str(SFU_JSON.encode(join).decode())
        joined = SFU_JSON.decode_server((await ws.receive_str()).encode())
        assert isinstance(joined, Joined)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(url, protocols=["other"])


async def test_an_operator_sees_calls_and_packets(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben, aiohttp.ClientSession() as http:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await pair.send(1, b"one")
        await ben.until(lambda: len(pair.received) == 1)
        host, port = stage.sfu.admin_address
        async with http.get(f"http://{host}:{port}/metrics") as answer:
            page = await answer.text()
        assert 'ringline_sfu_packets_total{event="packets_forwarded"} 1.0' in page
        assert "ringline_sfu_participants 2.0" in page
        assert "ringline_sfu_calls 1.0" in page
        # S21: what was negotiated.
        assert 'ringline_sfu_stays_total{event="connected SRTP_AEAD_AES_128_GCM"} 2.0' in page
        async with http.get(f"http://{host}:{port}/readyz") as answer:
            assert answer.status == 200


async def test_a_port_that_is_taken_leaves_nothing_open(make_stage: StageMaker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = msgspec.structs.replace(SETTINGS, signalling_port=port)
        with pytest.raises(OSError, match="in use"):
            async with make_stage(settings):
                raise AssertionError("it cannot start")
