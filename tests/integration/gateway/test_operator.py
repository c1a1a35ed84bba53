"""The operator's accounts, at the administrative port."""

import asyncio
import re
from uuid import UUID, uuid4

import msgspec
import pytest

from backplane.errors import Unavailable
from ringline.protocol import resources
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.group_ground import OPERATOR_TOKEN, TurnedClock, group_ground
from tests.integration.gateway.stage import Ground, Node, Person

PATH = "/v1/operator/accounts"


@pytest.fixture
def turned() -> tuple[Ground, TurnedClock]:
    return group_ground()


@pytest.fixture
def ground(turned: tuple[Ground, TurnedClock]) -> Ground:
    return turned[0]


async def mint(node: Node, name: str = "doctor") -> resources.DeviceCredential:
    body = msgspec.json.encode({"name": name})
    answer = await node.operate("POST", PATH, OPERATOR_TOKEN, body)
    return answer.read_as(resources.DeviceCredential, 201)


async def remove(node: Node, account: UUID) -> int:
    return (await node.operate("DELETE", f"{PATH}/{account}", OPERATOR_TOKEN)).status


async def enter(node: Node, made: resources.DeviceCredential) -> Person:
    address = Address(made.account, made.device)
    return Person(address, 1, made.credential, await node.token(address, made.credential))


async def test_a_minted_account_is_a_whole_one(node: Node, ann: Person) -> None:
    made = await mint(node)
    assert re.fullmatch(r"\+999[0-9]{12}", made.number)
    person = await enter(node, made)
    account = await node.request("GET", "/v1/account", token=person.token)
    (device,) = account.read_as(resources.Account, 200).devices
    assert device.name == "doctor"
    await node.befriend(person, ann)
    wire = await node.connect(person)
    other = await node.connect(ann)
    await wire.send(person.write(ann))
    assert (await other.messages(1))[0]


async def test_removed_it_is_gone_at_once(node: Node) -> None:
    made = await mint(node)
    person = await enter(node, made)
    wire = await node.connect(person)
    assert await remove(node, made.account) == 204
    assert await wire.expect_close() is CloseCode.DEVICE_REVOKED
    assert (await node.request("GET", "/v1/account", token=person.token)).status == 401
    body = resources.NewAccessToken(
        account=made.account, device=made.device, credential=made.credential
    )
    assert (await node.request("POST", "/v1/tokens", body)).status == 401
    assert await remove(node, made.account) == 404


async def test_only_minted_accounts_are_removed(node: Node, ann: Person) -> None:
    assert await remove(node, ann.address.account) == 404
    assert await remove(node, uuid4()) == 404
    assert (await node.request("GET", "/v1/account", token=ann.token)).status == 200


async def test_who_has_not_the_token_does_nothing(node: Node, ann: Person) -> None:
    made = await mint(node)
    for token in (None, "", "wrong", OPERATOR_TOKEN + "x", OPERATOR_TOKEN[:-1], ann.token):
        for method, path in (("POST", PATH), ("DELETE", f"{PATH}/{made.account}")):
            answer = await node.operate(method, path, token, b'{"name":"x"}')
            assert (answer.status, answer.problem()) == (401, ProblemType.UNAUTHENTICATED.slug)
    assert await remove(node, made.account) == 204


async def test_a_token_that_is_no_text_is_a_wrong_one(node: Node) -> None:
    reader, writer = await asyncio.open_connection(*node.gateway.bound_addresses.admin)
    writer.write(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n".encode()
        + b"Authorization: Bearer \xff\xfe\r\n\r\n"
    )
    async with asyncio.timeout(10):
        assert (await reader.readline()).split()[1] == b"401"
    writer.close()
    await writer.wait_closed()


async def test_a_removal_that_broke_can_be_done_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await mint(node)
    person = await enter(node, made)

    async def away(*_: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(node.messaging.registry.tokens, "revoke", away)
        assert await remove(node, made.account) == 503
    assert await remove(node, made.account) == 204
    assert (await node.request("GET", "/v1/account", token=person.token)).status == 401


async def test_without_a_token_configured_there_are_no_such_routes(start_node: StartNode) -> None:
    node = await start_node(Ground())
    for token in (None, "", OPERATOR_TOKEN):
        answer = await node.operate("POST", PATH, token, b'{"name":"x"}')
        assert (answer.status, answer.problem()) == (404, ProblemType.NOT_FOUND.slug)


async def test_the_public_port_has_no_such_routes(node: Node) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    answer = await node.request("POST", PATH, {"name": "x"}, headers=headers)
    assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PATH, b"", 400),
        ("POST", PATH, b"{", 400),
        ("POST", PATH, b"{}", 422),
        ("POST", PATH, b'{"name":""}', 422),
        ("POST", PATH, b'{"name":"%s"}' % (b"x" * 65), 422),
        ("POST", PATH, b'{"name":"x","number":"+15550001"}', 422),
        ("POST", PATH, b'{"name":"%s"}' % (b"x" * 5000), 413),
        ("GET", PATH, b"", 404),
        ("DELETE", PATH + "/everybody", b"", 404),
        ("DELETE", PATH + "/", b"", 404),
    ],
)
async def test_bad_requests_are_told(
    node: Node, method: str, path: str, body: bytes, status: int
) -> None:
    answer = await node.operate(method, path, OPERATOR_TOKEN, body)
    assert answer.status == status
    answer.problem()


async def test_nobody_registers_such_a_number(node: Node) -> None:
    made = await mint(node)
    wish = resources.NewRegistration(number=made.number)
    refused = await node.request("POST", "/v1/registrations", wish)
    assert refused.problem() == ProblemType.NUMBER_INVALID.slug


async def test_the_forgotten_are_removed_after_a_day(
    start_node: StartNode, turned: tuple[Ground, TurnedClock]
) -> None:
    ground, clock = turned
    node = await start_node(ground, GatewaySettings(sweep_s=0.05))
    ann = await node.register("+447911100001")
    old = await mint(node)
    clock.ahead_ms = 24 * 3600 * 1000 - 60_000
    young = await mint(node)
    clock.ahead_ms += 120_000
    records = node.messaging.records
    for _ in range(1000):
        if await records.account(old.account) is None:
            break
        await asyncio.sleep(0.01)
    assert await records.account(old.account) is None
    assert await records.account(young.account) is not None
    assert await records.account(ann.address.account) is not None
