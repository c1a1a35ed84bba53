"""Relay credentials (criterion T11, the gateway's half): for whom, for which call, until when."""

import asyncio
import base64
import hashlib
import hmac
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from backplane.relay_credentials import read_username
from ringline.protocol import frames, limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import CallKind, CallState
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.group_ground import (
    RELAY_SECRET,
    TurnedClock,
    announce,
    ask_ticket,
    group_ground,
    make_call,
)
from tests.integration.gateway.stage import Answer, Ground, Node, Person, Wire
from tests.integration.gateway.test_calls import invite


@pytest.fixture
def turned() -> tuple[Ground, TurnedClock]:
    return group_ground()


@pytest.fixture
def ground(turned: tuple[Ground, TurnedClock]) -> Ground:
    return turned[0]


@pytest.fixture
def clock(turned: tuple[Ground, TurnedClock]) -> TurnedClock:
    return turned[1]


@pytest.fixture
async def eve(node: Node) -> Person:
    return await node.register("+447911100003")


async def ask(node: Node, person: Person | None, call: UUID) -> Answer:
    token = None if person is None else person.token
    return await node.request("POST", f"/v1/calls/{call}/relay-credentials", token=token)


async def deadline(node: Node, call: UUID) -> int | None:
    """What a relay reads at a Refresh."""
    return await node.messaging.registry.relay_deadlines.get(call)


async def place(node: Node, ann: Person, bob: Person, call: UUID) -> Wire:
    await node.befriend(ann, bob)
    wire = await node.connect(ann)
    await wire.send(invite(call, bob))
    assert (await wire.expect(frames.CallStatus)).state is CallState.RINGING
    return wire


async def test_they_are_of_one_account_call_and_time(
    node: Node, ann: Person, clock: TurnedClock
) -> None:
    await announce(node, "relay-full", "turn", "turn:203.0.113.9:3478?transport=udp", 0.9)
    await announce(node, "relay-idle", "turn", "turn:203.0.113.8:3478?transport=udp", 0.1)
    await announce(node, "relay-half", "turn", "turn:203.0.113.7:3478?transport=udp", 0.5)
    call, before = uuid7(), clock()
    given = (await ask(node, ann, call)).read_as(resources.RelayCredentials, 201)
    name = read_username(given.username)
    assert name is not None
    assert (name.account, name.call) == (ann.address.account, call)
    assert name.allocate_until_s * 1000 == given.allocate_until
    assert name.refresh_until_s * 1000 == given.refresh_until
    issued_s = before // 1000
    assert 0 <= name.allocate_until_s - issued_s - limits.RELAY_ALLOCATE_S <= 5
    assert 0 <= name.refresh_until_s - issued_s - limits.RELAY_REFRESH_S_MAX <= 5
    digest = hmac.new(RELAY_SECRET.encode(), given.username.encode(), hashlib.sha256).digest()
    assert given.password == base64.b64encode(digest).decode()
    assert given.uris == [
        "turn:203.0.113.8:3478?transport=udp",
        "turn:203.0.113.7:3478?transport=udp",
    ]


async def test_t11_logged_out_there_are_none(node: Node, ann: Person) -> None:
    refused = await ask(node, None, uuid7())
    assert (refused.status, refused.problem()) == (401, ProblemType.UNAUTHENTICATED.slug)
    stale = Person(ann.address, 1, ann.credential, "x" * 43)
    assert (await ask(node, stale, uuid7())).status == 401
    assert node.counted("relay_credentials_issued_total") == 0


async def test_t11_others_calls_are_refused(
    node: Node, ann: Person, bob: Person, eve: Person
) -> None:
    call = uuid7()
    await place(node, ann, bob, call)
    for person in (ann, bob):
        assert (await ask(node, person, call)).status == 201
    refused = await ask(node, eve, call)
    assert (refused.status, refused.problem()) == (404, ProblemType.NOT_FOUND.slug)
    assert await deadline(node, call) is None, "a stranger's question limits nobody"


async def test_before_the_invite_they_last_for_the_placing_only(
    node: Node, ann: Person, bob: Person, clock: TurnedClock
) -> None:
    call, now = uuid7(), clock()
    assert (await ask(node, ann, call)).status == 201
    until = await deadline(node, call)
    assert until is not None
    assert 0 <= until - now - 600_000 <= 5_000
    clock.ahead_ms = 30_000
    assert (await ask(node, ann, call)).status == 201
    assert await deadline(node, call) == until, "asking again does not put it off"
    await place(node, ann, bob, call)
    assert await deadline(node, call) is None, "placed: the credential's own time counts"


async def test_t11_an_ended_call_is_relayed_no_more(
    node: Node, ann: Person, bob: Person, clock: TurnedClock
) -> None:
    call = uuid7()
    wire = await place(node, ann, bob, call)
    assert (await ask(node, bob, call)).status == 201
    await wire.send(frames.Call(ref=6, call=call, kind=CallKind.CANCEL))
    await wire.expect(frames.CallStatus)
    ended = await deadline(node, call)
    assert ended is not None
    assert ended <= clock()
    refused = await ask(node, ann, call)
    assert (refused.status, refused.problem()) == (409, ProblemType.CALL_STATE.slug)


async def test_nobody_answers_and_the_relaying_ends(
    start_node: StartNode, turned: tuple[Ground, TurnedClock]
) -> None:
    ground, clock = turned
    node = await start_node(ground, GatewaySettings(call_expiry_s=0.05))
    ann, bob = await node.register("+447911100001"), await node.register("+447911100002")
    call = uuid7()
    wire = await place(node, ann, bob, call)
    clock.ahead_ms = limits.RING_TIMEOUT_S * 1000 + 1
    entry = (await wire.expect(frames.Deliver)).entry
    assert isinstance(entry, frames.CallEvent)
    assert entry.kind is CallKind.TIME_OUT
    # The callers are told before the relays are: give them the moment between.
    ended = None
    for _ in range(1000):
        ended = await deadline(node, call)
        if ended is not None:
            break
        await asyncio.sleep(0.01)
    assert ended is not None
    assert ended <= clock()


async def test_group_calls_are_relayed_for_members(
    node: Node, ann: Person, bob: Person, eve: Person, clock: TurnedClock
) -> None:
    await announce(node, "sfu-1")
    call = await make_call(node, ann, bob)
    for person in (ann, bob):
        assert (await ask(node, person, call.call)).status == 201
    assert await deadline(node, call.call) is None
    assert (await ask(node, eve, call.call)).status == 404
    assert (await ask_ticket(node, eve, call.call, call.link_token)).status == 201
    assert (await ask(node, eve, call.call)).status == 201
    path = f"/v1/group-calls/{call.call}"
    removed = await node.request("DELETE", f"{path}/members/{eve.address.account}", token=ann.token)
    assert removed.status == 204
    assert (await ask(node, eve, call.call)).status == 404
    assert (await node.request("DELETE", path, token=ann.token)).status == 204
    assert (await ask(node, bob, call.call)).problem() == ProblemType.CALL_STATE.slug
    ended = await deadline(node, call.call)
    assert ended is not None
    assert ended <= clock()


async def test_who_asked_early_does_not_limit_the_group_call(
    node: Node, ann: Person, eve: Person
) -> None:
    call = uuid7()
    assert (await ask(node, eve, call)).status == 201
    assert await deadline(node, call) is not None
    wish = resources.NewGroupCall(call=call)
    assert (await node.request("POST", "/v1/group-calls", wish, ann.token)).status == 201
    assert await deadline(node, call) is None


async def test_an_account_has_a_budget(start_node: StartNode, ground: Ground) -> None:
    node = await start_node(ground, GatewaySettings(relay_credentials_per_account_hour=3))
    ann, bob = await node.register("+447911100001"), await node.register("+447911100002")
    answers = [await ask(node, ann, uuid7()) for _ in range(4)]
    assert [answer.status for answer in answers] == [201, 201, 201, 429]
    assert answers[3].problem() == ProblemType.RATE_LIMITED.slug
    assert int(answers[3].headers["Retry-After"]) > 0
    assert (await ask(node, bob, uuid7())).status == 201


async def test_without_a_secret_there_are_none(start_node: StartNode) -> None:
    node = await start_node(Ground())
    ann = await node.register("+447911100001")
    refused = await ask(node, ann, uuid7())
    assert (refused.status, refused.problem()) == (503, ProblemType.UNAVAILABLE.slug)
    assert b"no relay secret" in refused.body
