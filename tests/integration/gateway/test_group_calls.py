"""Group calls at the gateway: who sees them, who gets a ticket (criterion K7), who ends them."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from backplane.bus.ports import AnyBusMessage, GroupCallEnded, MemberRemoved
from ringline.protocol import frames, limits, resources
from ringline.protocol.problems import ProblemType
from signaling.settings import GatewaySettings
from tests.integration.conftest import speak
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.group_ground import (
    TurnedClock,
    announce,
    ask_ticket,
    group_ground,
    make_call,
    read_ticket,
)
from tests.integration.gateway.stage import Ground, Node, Person, until
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


@pytest.fixture
async def heard(ground: Ground) -> AsyncIterator[list[AnyBusMessage]]:
    """What an SFU node on the bus is told."""
    messages: list[AnyBusMessage] = []
    bus = ground.open()[3]
    await bus.start("sfu-listening", messages.append, lambda: None)
    yield messages
    await bus.shut()


async def remove(node: Node, by: Person, call: UUID, whom: Person) -> int:
    path = f"/v1/group-calls/{call}/members/{whom.address.account}"
    return (await node.request("DELETE", path, token=by.token)).status


async def test_a_call_is_shown_to_its_members_alone(
    node: Node, ann: Person, bob: Person, eve: Person
) -> None:
    made = await make_call(node, ann, bob)
    assert (made.creator, made.members) == (ann.address.account, [bob.address.account])
    path = f"/v1/group-calls/{made.call}"
    for person in (ann, bob):
        answer = await node.request("GET", path, token=person.token)
        assert answer.read_as(resources.GroupCall, 200) == made
    stranger = await node.request("GET", path, token=eve.token)
    nothing = await node.request("GET", f"/v1/group-calls/{uuid7()}", token=eve.token)
    assert (stranger.status, stranger.body) == (404, nothing.body)
    assert (await node.request("GET", path)).status == 401


async def test_making_it_again_changes_nothing(node: Node, ann: Person, bob: Person) -> None:
    made = await make_call(node, ann)
    wish = resources.NewGroupCall(call=made.call, members=[bob.address.account])
    again = await node.request("POST", "/v1/group-calls", wish, ann.token)
    assert again.read_as(resources.GroupCall, 201) == made
    theirs = await node.request("POST", "/v1/group-calls", wish, bob.token)
    assert theirs.problem() == ProblemType.ID_REUSED.slug


async def test_an_id_is_of_one_call_only(node: Node, ann: Person, bob: Person) -> None:
    """A call between two with the id of a group call could end its relaying."""
    await node.befriend(ann, bob)
    wire = await node.connect(ann)
    made = await make_call(node, bob)
    await wire.send(invite(made.call, bob))
    assert (await wire.expect(frames.Error)).problem.type == ProblemType.ID_REUSED.uri
    placed = uuid7()
    await wire.send(invite(placed, bob))
    await wire.expect(frames.CallStatus)
    wish = resources.NewGroupCall(call=placed)
    answer = await node.request("POST", "/v1/group-calls", wish, bob.token)
    assert answer.problem() == ProblemType.ID_REUSED.slug


async def test_members_get_tickets_for_the_least_busy_node(
    node: Node, ann: Person, bob: Person, clock: TurnedClock
) -> None:
    await announce(node, "sfu-busy", load=0.9)
    await announce(node, "sfu-idle", load=0.1)
    call = (await make_call(node, ann, bob)).call
    seen = set()
    for person in (ann, bob, bob):
        claims = read_ticket(await ask_ticket(node, person, call), clock())
        assert (claims.device, claims.call, claims.node) == (person.address, call, "sfu-idle")
        assert claims.expires_at_s - claims.issued_at_s == limits.JOIN_TICKET_LIFETIME_S
        seen.add(claims.id)
    assert len(seen) == 3
    # Once placed it stays there, however busy.
    await announce(node, "sfu-idle", load=1.0)
    assert read_ticket(await ask_ticket(node, ann, call), clock()).node == "sfu-idle"
    assert node.counted("join_tickets_issued_total") == 4


async def test_a_node_that_is_gone_has_no_call(node: Node, ann: Person, clock: TurnedClock) -> None:
    await announce(node, "sfu-first")
    call = (await make_call(node, ann)).call
    assert read_ticket(await ask_ticket(node, ann, call), clock()).node == "sfu-first"
    await node.messaging.registry.nodes.withdraw("sfu-first")
    none = await ask_ticket(node, ann, call)
    assert (none.status, none.problem()) == (503, ProblemType.UNAVAILABLE.slug)
    assert b"no SFU node" in none.body
    await announce(node, "sfu-second")
    assert read_ticket(await ask_ticket(node, ann, call), clock()).node == "sfu-second"


async def test_k7_without_the_link_a_stranger_gets_none(
    node: Node, ann: Person, bob: Person, eve: Person, clock: TurnedClock
) -> None:
    await announce(node, "sfu-1")
    call, other = await make_call(node, ann), await make_call(node, ann, eve)
    unknown = await ask_ticket(node, eve, uuid7())
    for link in (None, "x" * 43, other.link_token, call.link_token[:-1] + "_"):
        refused = await ask_ticket(node, eve, call.call, link)
        assert (refused.status, refused.body) == (404, unknown.body)
    assert (await ask_ticket(node, None, call.call, call.link_token)).status == 401
    claims = read_ticket(await ask_ticket(node, bob, call.call, call.link_token), clock())
    assert claims.device == bob.address
    # By the link one became a member: seen, and let in without it.
    shown = await node.request("GET", f"/v1/group-calls/{call.call}", token=bob.token)
    assert shown.read_as(resources.GroupCall, 200).members == [bob.address.account]
    assert (await ask_ticket(node, bob, call.call)).status == 201


async def test_k7_who_was_removed_gets_none_with_the_link_either(
    node: Node, ann: Person, bob: Person, heard: list[AnyBusMessage], clock: TurnedClock
) -> None:
    await announce(node, "sfu-1")
    call = await make_call(node, ann, bob)
    before = read_ticket(await ask_ticket(node, bob, call.call), clock())
    assert await remove(node, ann, call.call, bob) == 204
    assert (await ask_ticket(node, bob, call.call)).status == 404
    refused = await ask_ticket(node, bob, call.call, call.link_token)
    assert (refused.status, b"was removed" in refused.body) == (403, True)
    shown = await node.request("GET", f"/v1/group-calls/{call.call}", token=bob.token)
    assert shown.status == 404
    # What the node needs to refuse the ticket from before, and to end the stay.
    account = bob.address.account
    removed_at = await node.messaging.registry.removals.get(call.call, account)
    assert removed_at is not None
    assert removed_at >= before.issued_at_s * 1000
    await until(lambda: MemberRemoved(call=call.call, account=account) in heard)


async def test_removals_outlive_redis(
    start_node: StartNode, durable_ground: Ground, ground: Ground, redis_socket: Path
) -> None:
    durable_ground.secrets = ground.secrets
    node = await start_node(durable_ground)
    ann, bob = await node.register("+447911100001"), await node.register("+447911100002")
    call = await make_call(node, ann, bob)
    assert await remove(node, ann, call.call, bob) == 204
    assert speak(redis_socket, b"FLUSHALL") == b"+OK\r\n"
    for person in (ann, bob):
        person.token = await node.token(person.address, person.credential)
    await announce(node, "sfu-1")
    assert (await ask_ticket(node, ann, call.call)).status == 201
    assert (await ask_ticket(node, bob, call.call, call.link_token)).status == 403


async def test_only_the_creator_removes_and_ends(
    node: Node, ann: Person, bob: Person, eve: Person, heard: list[AnyBusMessage]
) -> None:
    await announce(node, "sfu-1")
    call = (await make_call(node, ann, bob)).call
    path = f"/v1/group-calls/{call}"
    assert await remove(node, bob, call, ann) == 403
    assert await remove(node, eve, call, bob) == 404
    assert await remove(node, ann, call, ann) == 422
    assert (await node.request("DELETE", path, token=bob.token)).status == 403
    assert (await node.request("DELETE", path, token=eve.token)).status == 404
    assert (await node.request("DELETE", path)).status == 401
    assert (await ask_ticket(node, bob, call)).status == 201
    for _ in range(2):
        assert (await node.request("DELETE", path, token=ann.token)).status == 204
    assert (await ask_ticket(node, bob, call)).problem() == ProblemType.CALL_STATE.slug
    shown = await node.request("GET", path, token=bob.token)
    assert shown.read_as(resources.GroupCall, 200).ended_at is not None
    await until(lambda: GroupCallEnded(call=call) in heard)
    assert not [each for each in heard if isinstance(each, MemberRemoved)]


async def test_a_call_ends_by_its_age(
    start_node: StartNode, turned: tuple[Ground, TurnedClock], heard: list[AnyBusMessage]
) -> None:
    ground, clock = turned
    node = await start_node(ground, GatewaySettings(sweep_s=0.05))
    ann = await node.register("+447911100001")
    call = (await make_call(node, ann)).call
    await announce(node, "sfu-1")
    clock.ahead_ms = limits.GROUP_CALL_LIFETIME_S_MAX * 1000 + 1
    await until(lambda: GroupCallEnded(call=call) in heard)
    await until(lambda: node.counted("group_call_events_total", event="expired") == 1)
    record = await node.messaging.records.group_calls.show(call)
    assert record is not None
    assert record.ended_at is not None
    deadline = await node.messaging.registry.relay_deadlines.get(call)
    assert deadline is not None
    assert deadline <= clock()


async def test_calls_and_tickets_have_budgets(start_node: StartNode, ground: Ground) -> None:
    settings = GatewaySettings(group_calls_per_account_hour=2, join_tickets_per_account_minute=2)
    node = await start_node(ground, settings)
    ann, bob = await node.register("+447911100001"), await node.register("+447911100002")
    await announce(node, "sfu-1")
    calls = [await make_call(node, ann) for _ in range(2)]
    wish = resources.NewGroupCall(call=uuid7())
    refused = await node.request("POST", "/v1/group-calls", wish, ann.token)
    assert (refused.status, refused.problem()) == (429, ProblemType.RATE_LIMITED.slug)
    assert int(refused.headers["Retry-After"]) > 0
    statuses = [(await ask_ticket(node, ann, calls[0].call)).status for _ in range(3)]
    assert statuses == [201, 201, 429]
    # Somebody else has budgets of their own.
    assert (await make_call(node, bob)).creator == bob.address.account
    assert (await ask_ticket(node, bob, calls[0].call, calls[0].link_token)).status == 201


async def test_without_a_key_there_are_no_tickets(start_node: StartNode, ground: Ground) -> None:
    secrets = ground.secrets
    ground.secrets = type(secrets)(relay_secret=secrets.relay_secret)
    node = await start_node(ground)
    ann = await node.register("+447911100001")
    call = (await make_call(node, ann)).call
    refused = await ask_ticket(node, ann, call)
    assert (refused.status, refused.problem()) == (503, ProblemType.UNAVAILABLE.slug)
    assert b"no key for join tickets" in refused.body


async def test_a_call_takes_as_many_members_as_it_may(
    start_node: StartNode, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GROUP_CALL_MEMBERS_MAX", 1)
    node = await start_node(ground, replace(GatewaySettings(), sweep_s=600))
    people = [await node.register(f"+44791110000{place}") for place in range(1, 4)]
    await announce(node, "sfu-1")
    call = await make_call(node, people[0])
    statuses = [
        (await ask_ticket(node, person, call.call, call.link_token)).status
        for person in (people[1], people[2], people[0])
    ]
    assert statuses == [201, 403, 201]
    assert await remove(node, people[0], call.call, people[2]) == 403
    assert await remove(node, people[0], call.call, people[1]) == 204
