"""The door of the live connection, and how long one may stay."""

import asyncio

import aiohttp
import pytest
from msgspec.structs import replace

from ringline.protocol import frames, resources
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import JSON, MSGPACK, Codec
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import PresenceState
from signaling.app import utc_ms
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.stage import Ground, Node, Person, until

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": MSGPACK.subprotocol,
}


class ShiftedClock:
    """Real time, and as much more as the test says."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return utc_ms() + self.ahead_ms


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket"},
    ],
    ids=["foreign", "null", "missing"],
)
async def test_a1_foreign_origin_is_refused(
    start_node: StartNode, ground: Ground, headers: dict[str, str]
) -> None:
    node = await start_node(ground, GatewaySettings(allowed_origins=("https://talk.example",)))
    answer = await node.request("GET", "/v1/socket", headers={**UPGRADE, **headers})
    assert answer.status == 403
    assert answer.problem() == "origin-refused"


async def test_a1_our_own_page_and_programs_are_let_in(
    start_node: StartNode, ground: Ground
) -> None:
    node = await start_node(ground, GatewaySettings(allowed_origins=("https://talk.example",)))
    ann = await node.register("+447911100001")
    assert (await node.connect(ann)).ready is not None
    page = await node.dial(headers={"Origin": "https://talk.example"})
    await page.send(frames.Authenticate(token=ann.token))
    await page.expect(frames.Ready)


async def test_a1_a_cookie_or_query_is_no_token(node: Node, ann: Person) -> None:
    headers = {"Cookie": f"token={ann.token}"}
    assert (await node.request("GET", "/v1/account", headers=headers)).status == 401
    query = f"/v1/account?access_token={ann.token}&token={ann.token}"
    assert (await node.request("GET", query)).status == 401


@pytest.mark.parametrize(
    "missing",
    [
        "Connection",
        "Upgrade",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
    ],
)
async def test_half_a_handshake_is_a_problem(node: Node, missing: str) -> None:
    headers = {name: value for name, value in UPGRADE.items() if name != missing}
    answer = await node.request("GET", "/v1/socket", headers=headers)
    assert answer.status == 400
    assert answer.problem() == "malformed"


@pytest.mark.parametrize("offered", ["chat", "", "ringline.v2.json", "ringline.v1.msgpackx"])
async def test_an_unknown_sub_protocol_is_a_problem(node: Node, offered: str) -> None:
    headers = {**UPGRADE, "Sec-WebSocket-Protocol": offered}
    answer = await node.request("GET", "/v1/socket", headers=headers)
    assert answer.problem() == "malformed"


async def test_the_first_known_sub_protocol_is_taken_and_no_compression(node: Node) -> None:
    ws = await node.http.ws_connect(
        node.url + "/v1/socket",
        protocols=["chat", JSON.subprotocol, MSGPACK.subprotocol],
        compress=15,
    )
    assert ws.protocol == JSON.subprotocol
    assert not ws.compress
    await ws.close()


async def test_a_wrong_token_is_refused_with_its_code(node: Node, chosen: Codec) -> None:
    wire = await node.dial(chosen)
    await wire.send(frames.Authenticate(ref=3, token="x" * 43))
    error = await wire.expect(frames.Error)
    assert (error.ref, error.problem.type) == (3, ProblemType.UNAUTHENTICATED.uri)
    assert await wire.expect_close() is CloseCode.TOKEN_REFUSED


async def test_frames_before_the_token_are_refused(node: Node, ann: Person, bob: Person) -> None:
    wire = await node.dial()
    await wire.send(ann.write(bob))
    assert (await wire.expect(frames.Error)).problem.type == ProblemType.UNAUTHENTICATED.uri
    assert await wire.expect_close() is CloseCode.PROTOCOL_ERROR


async def test_silence_before_the_token_is_cut(start_node: StartNode, ground: Ground) -> None:
    node = await start_node(ground, GatewaySettings(authentication_timeout_s=0.5))
    wire = await node.dial()
    assert await wire.expect_close() is CloseCode.AUTHENTICATION_TIMEOUT


async def test_what_is_no_frame_is_told_and_cut(node: Node, ann: Person, chosen: Codec) -> None:
    wire = await node.connect(ann, chosen)
    await wire.send_raw(b"\xc1" if chosen.binary else b"{]")
    assert (await wire.expect(frames.Error)).problem.type == ProblemType.MALFORMED.uri
    assert await wire.expect_close() is CloseCode.MALFORMED_FRAME
    assert node.counted("frames_refused_total", problem="malformed") == 1


async def test_a_text_frame_in_msgpack_is_cut(node: Node, ann: Person) -> None:
    wire = await node.connect(ann, MSGPACK)
    await wire.ws.send_str("{}")
    assert await wire.expect_close() is CloseCode.MALFORMED_FRAME


async def test_a2_an_expired_token_closes_within_sixty_seconds(
    start_node: StartNode,
) -> None:
    clock = ShiftedClock()
    node = await start_node(Ground(clock=clock))
    ann = await node.register("+447911100001")
    wire = await node.connect(ann)
    assert wire.ready is not None
    clock.ahead_ms = wire.ready.token_expires_at - utc_ms() + 29_000
    await wire.send(frames.Ping(ref=1))
    await wire.expect(frames.Pong)
    clock.ahead_ms += 2_000
    assert await wire.expect_close() is CloseCode.TOKEN_EXPIRED
    late = await node.dial()
    await late.send(frames.Authenticate(token=ann.token))
    assert await late.expect_close() is CloseCode.TOKEN_REFUSED


async def test_a2_refresh_keeps_the_connection(start_node: StartNode, chosen: Codec) -> None:
    clock = ShiftedClock()
    node = await start_node(Ground(clock=clock))
    ann = await node.register("+447911100001")
    wire = await node.connect(ann, chosen)
    clock.ahead_ms = 20 * 60_000
    fresh = await node.token(ann.address, ann.credential)
    await wire.send(frames.Refresh(ref=4, token=fresh))
    refreshed = await wire.expect(frames.Refreshed)
    assert refreshed.ref == 4
    assert refreshed.token_expires_at > clock() + 29 * 60_000
    clock.ahead_ms = 35 * 60_000
    await node.gateway.tick()
    await wire.send(frames.Ping(ref=5))
    await wire.expect(frames.Pong)


async def test_refresh_with_anothers_token_is_refused(node: Node, ann: Person, bob: Person) -> None:
    wire = await node.connect(ann)
    for token, problem in (
        (bob.token, ProblemType.FORBIDDEN),
        ("x" * 43, ProblemType.UNAUTHENTICATED),
    ):
        await wire.send(frames.Refresh(ref=4, token=token))
        assert (await wire.expect(frames.Error)).problem.type == problem.uri


async def test_a2_a_removed_device_is_closed_and_obeyed_at_once(
    node: Node, ann: Person, bob: Person
) -> None:
    tablet = await node.link(ann)
    wire = await node.connect(tablet)
    start = asyncio.get_running_loop().time()
    answer = await node.request("DELETE", "/v1/devices/2", token=ann.token)
    assert answer.status == 204
    assert await wire.expect_close() is CloseCode.DEVICE_REVOKED
    assert asyncio.get_running_loop().time() - start < 2
    assert (await node.request("GET", "/v1/account", token=tablet.token)).status == 401


async def test_registering_again_closes_the_old_device(node: Node) -> None:
    ann = await node.register("+447911200001")
    wire = await node.connect(ann)
    again = await node.register("+447911200001")
    assert again.address.account == ann.address.account
    assert await wire.expect_close() is CloseCode.ACCOUNT_REPLACED


async def test_a_second_connection_replaces_the_first(node: Node, ann: Person) -> None:
    first = await node.connect(ann)
    second = await node.connect(ann)
    assert await first.expect_close() is CloseCode.REPLACED
    await second.send(frames.Ping(ref=1))
    await second.expect(frames.Pong)
    (presence,) = await node.messaging.registry.presence.presence([ann.address.account])
    assert presence.online


async def test_silence_is_probed_and_cut(start_node: StartNode, ground: Ground) -> None:
    node = await start_node(ground, GatewaySettings(heartbeat_interval_s=1, heartbeat_timeout_s=1))
    ann = await node.register("+447911100001")
    bob = await node.register("+447911100002")
    deaf = await node.http.ws_connect(
        node.url + "/v1/socket", protocols=[MSGPACK.subprotocol], autoping=False
    )
    await deaf.send_bytes(MSGPACK.encode(frames.Authenticate(token=ann.token)))
    alive = await node.connect(bob)
    listening = asyncio.create_task(alive.expect(frames.Pong))
    kinds = []
    while not deaf.closed:
        kinds.append((await deaf.receive(6)).type)
    assert aiohttp.WSMsgType.PING in kinds
    assert deaf.close_code == CloseCode.HEARTBEAT_TIMEOUT
    await alive.send(frames.Ping(ref=1))
    await listening


async def test_stopping_answers_what_is_in_work_and_says_goodbye(
    start_node: StartNode, ground: Ground
) -> None:
    node = await Node.start(ground)
    ann, bob = await node.register("+447911100001"), await node.register("+447911100002")
    wire = await node.connect(ann)
    await wire.send(ann.write(bob, b"last", 9))
    await wire.expect(frames.Sent)
    reading = asyncio.create_task(wire.expect_close())
    await node.gateway.stop()
    assert await reading is CloseCode.GOING_AWAY
    assert not (await ground.open()[2].presence.presence([ann.address.account]))[0].online
    await node.http.close()


async def test_presence_is_for_those_who_were_accepted(
    node: Node, ann: Person, bob: Person, chosen: Codec
) -> None:
    wire = await node.connect(ann, chosen)
    watch = frames.Watch(ref=3, accounts=[bob.address.account])
    await wire.send(watch)
    error = await wire.expect(frames.Error)
    assert error.problem.type == ProblemType.NOT_ACCEPTED.uri
    await node.befriend(ann, bob)
    await wire.send(watch)
    assert (await wire.expect(frames.Presence)).state is PresenceState.OFFLINE
    await wire.expect(frames.Done)
    other = await node.connect(bob)
    assert (await wire.expect(frames.Presence)).state is PresenceState.ONLINE
    await other.close()
    gone = await wire.expect(frames.Presence)
    assert gone.state is PresenceState.OFFLINE
    assert gone.last_seen is not None
    path = f"/v1/contacts/{ann.address.account}"
    assert (await node.request("DELETE", path, token=bob.token)).status == 204
    await node.connect(bob)
    await wire.send(frames.Ping(ref=1))
    await wire.expect(frames.Pong)
    assert len([f for f in wire.seen if isinstance(f, frames.Presence)]) == 3


async def test_last_seen_is_noted_when_a_device_leaves(node: Node, ann: Person) -> None:
    wire = await node.connect(ann)
    await wire.close()
    async with asyncio.timeout(5):
        while True:
            answer = await node.request("GET", "/v1/account", token=ann.token)
            if answer.read_as(resources.Account, 200).devices[0].last_seen_at:
                return
            await asyncio.sleep(0.01)


async def test_more_connections_than_an_address_may_are_hung_up_on(
    start_node: StartNode, ground: Ground
) -> None:
    settings = replace(GatewaySettings(), anonymous_connections_per_address_max=4)
    node = await start_node(ground, settings)
    ann = await node.register("+447911100001")
    await node.http.close()
    node.http = aiohttp.ClientSession()
    logged_in = [await node.connect(ann)]
    waiting = [await node.dial() for _ in range(4)]
    with pytest.raises(aiohttp.ClientError):
        await node.dial()
    await waiting[0].close()
    await until(lambda: node.counted("connections_open") == 4)
    await logged_in[0].send(frames.Ping(ref=1))
    await logged_in[0].expect(frames.Pong)
    await node.dial()
