"""The REST edge: one answer for everything, a problem document for everything that fails."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from backplane.errors import Overloaded, StorageFull, Unavailable
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.stage import Answer, Ground, Node, Person, roomy_limits

JSON = {"Content-Type": "application/json"}


async def raw(node: Node, data: bytes) -> bytes:
    """Bytes to the port, and all that comes back until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(data)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/index.html", 404, "not-found"),
        ("POST", "/", 405, "method-not-allowed"),
        ("GET", "/v1", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/contacts/%00", 404, "not-found"),
        ("GET", "/v1/accounts/..%2f..%2fetc/devices", 404, "not-found"),
        ("DELETE", "/v1/devices/999", 404, "not-found"),
        ("GET", "/%ff%fe", 404, "not-found"),
        ("PATCH", "/v1/account", 405, "method-not-allowed"),
        ("HEAD", "/v1/account", 405, None),
        ("OPTIONS", "/v1/messages", 405, "method-not-allowed"),
        ("POST", "/v1/socket", 405, "method-not-allowed"),
        ("DELETE", "/v1/openapi.json", 405, "method-not-allowed"),
        ("GET", "/v1/account", 401, "unauthenticated"),
        ("POST", "/v1/registrations", 415, "media-type"),
    ],
)
async def test_every_wrong_request_is_a_problem_document(
    node: Node, method: str, path: str, status: int, slug: str | None
) -> None:
    answer = await node.request(method, path)
    assert answer.status == status
    if slug is not None:
        assert answer.problem() == slug
    if status == 405:
        assert answer.headers["Allow"]
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_and_hung_up(node: Node, data: bytes) -> None:
    answer = await raw(node, data)
    assert answer[8:13] == b" 400 "
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == ProblemType.MALFORMED.uri
    assert b"bad header" not in answer


async def test_a_broken_chunked_body_is_a_problem(node: Node) -> None:
    head = (
        b"POST /v1/registrations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = await raw(node, head + b"zz\r\nhello\r\n")
    assert answer[8:13] == b" 400 "


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b'{"number":5}', 422),
        (b"{}", 422),
        (b'{"number":"+447911100009","extra":1}', 422),
        (b'{"number":"+1"}', 422),
        (b'{"number":"\xff\xff\xff\xff"}', 400),
        (b'{"number":"\\ud800\\ud800\\ud800"}', 400),
        (b'{"number":"+4479111\\u0000"}', 422),
    ],
)
async def test_a_body_that_is_wrong_is_told_how(node: Node, body: bytes, status: int) -> None:
    answer = await node.request("POST", "/v1/registrations", data=body, headers=JSON)
    assert answer.status == status
    assert answer.problem()


async def chunks(total_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(total_bytes // 65536):
        yield b"x" * 65536


def resident_kib() -> int:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


async def test_d11_a_gigabyte_is_cut_while_it_is_read(node: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    before, start = resident_kib(), asyncio.get_running_loop().time()
    writer.write(
        b"POST /v1/registrations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    answering = asyncio.create_task(reader.readline())
    sent = 0
    while not answering.done() and sent < 2**30:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()
        sent += 65536
    assert await answering == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    assert asyncio.get_running_loop().time() - start < 1
    assert sent < 16 * limits.FRAME_BYTES_MAX
    assert resident_kib() - before < 16 * 1024
    writer.close()


async def test_d11_a_stated_length_is_refused_before_reading(node: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(
        b"POST /v1/registrations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1073741824\r\nExpect: 100-continue\r\n\r\n"
    )
    async with asyncio.timeout(1):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"number":' * 100_000,
        b"{" + b",".join(b'"k%d":0' % index for index in range(80_000)) + b"}",
        b'{"number":' + b"9" * 1_000_000 + b"}",
    ],
    ids=["deep", "deep-object", "many-keys", "giant-integer"],
)
async def test_d11_hostile_json_is_refused_fast(node: Node, body: bytes) -> None:
    start = asyncio.get_running_loop().time()
    answer = await node.request("POST", "/v1/registrations", data=body, headers=JSON)
    assert answer.status in {400, 422}
    assert answer.problem()
    assert asyncio.get_running_loop().time() - start < 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-nonsense"])
async def test_d12_compressed_bodies_are_not_opened(node: Node, encoding: str) -> None:
    bomb = gzip.compress(b"\0" * 2**24) if "gzip" in encoding else zlib.compress(b"\0" * 2**24)
    before = resident_kib()
    headers = {**JSON, "Content-Encoding": encoding}
    answer = await node.request("POST", "/v1/registrations", data=bomb, headers=headers)
    assert (answer.status, answer.problem()) == (415, "media-type")
    assert resident_kib() - before < 16 * 1024


async def test_expect_continue_is_answered(node: Node) -> None:
    body = b'{"number":"+447911200001"}'
    head = (
        b"POST /v1/registrations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    answer = await raw(node, head + body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


async def test_a8_slow_heads_and_bodies_are_cut(start_node: StartNode, ground: Ground) -> None:
    node = await start_node(ground, GatewaySettings(idle_timeout_s=0.5, body_timeout_s=0.5))
    start = asyncio.get_running_loop().time()
    assert await raw(node, b"GET /v1/acc") == b""
    head = (
        b"POST /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    answer = await raw(node, head)
    assert answer[8:13] == b" 400 "
    assert asyncio.get_running_loop().time() - start < 5


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (Unavailable("away"), 503, "1"),
        (Overloaded("full", 7), 503, "7"),
        (StorageFull("full"), 507, "1"),
        (RuntimeError("a secret +447911100001"), 500, None),
    ],
)
async def test_the_worlds_faults_and_ours_are_told_apart(
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    retry: str | None,
) -> None:
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(node.messaging.registrations, "start", fail, raising=False)
    body = resources.NewRegistration(number="+447911100001")
    answer = await node.request("POST", "/v1/registrations", body)
    assert answer.status == status
    assert answer.problem()
    assert answer.headers.get("Retry-After") == retry
    assert b"secret" not in answer.body
    assert (
        node.counted(
            "http_requests_total", route="/v1/registrations", method="POST", status=str(status)
        )
        == 1
    )


async def test_a_request_beyond_the_budget_is_told_when_to_come_back(
    start_node: StartNode, ground: Ground
) -> None:
    settings = GatewaySettings(address_requests_per_s=1, address_requests_burst=3)
    node = await start_node(ground, settings)
    statuses = [(await node.request("GET", "/nothing")).status for _ in range(4)]
    assert statuses == [404, 404, 404, 429]
    answer = await node.request("GET", "/v1/openapi.json")
    assert answer.problem() == "rate-limited"
    assert int(answer.headers["Retry-After"]) >= 1


async def test_wrong_tokens_use_up_the_address_and_right_ones_the_account(
    start_node: StartNode, ground: Ground
) -> None:
    settings = GatewaySettings(
        address_requests_per_s=1,
        address_requests_burst=6,
        account_frames_per_s=1,
        account_frames_burst=2,
    )
    node = await start_node(ground, settings)
    ann = await node.register("+447911200001")
    statuses = [
        (await node.request("GET", "/v1/account", token=ann.token)).status for _ in range(3)
    ]
    assert statuses == [200, 200, 429]
    wrong = [(await node.request("GET", "/v1/account", token="x" * 43)).status for _ in range(5)]
    assert wrong[0] == 401
    assert wrong[-1] == 429


async def test_an_address_told_by_a_stranger_is_not_believed(
    start_node: StartNode, ground: Ground
) -> None:
    settings = GatewaySettings(address_requests_per_s=1, address_requests_burst=2)
    node = await start_node(ground, settings)
    statuses = []
    for index in range(3):
        headers = {"X-Forwarded-For": f"198.51.100.{index}"}
        statuses.append((await node.request("GET", "/nothing", headers=headers)).status)
    assert statuses == [404, 404, 429]
    proxied = await start_node(
        ground, msgspec.structs.replace(settings, trusted_proxies=("127.0.0.0/8",))
    )
    for index in range(3):
        headers = {"X-Forwarded-For": f"198.51.100.{index}"}
        assert (await proxied.request("GET", "/nothing", headers=headers)).status == 404


# Rows of other parts, over REST.


async def guess(node: Node, registration: str, code: str) -> Answer:
    verification = resources.Verification(
        code=code, device=resources.NewDevice(name="x", registration_id=1)
    )
    return await node.request("POST", f"/v1/registrations/{registration}/device", verification)


async def test_b1_a_code_has_five_attempts(node: Node) -> None:
    number = "+447911100050"
    answer = await node.request(
        "POST", "/v1/registrations", resources.NewRegistration(number=number)
    )
    registration = answer.read_as(resources.Registration, 201).registration
    right = node.ground.code_book.codes[number]
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(limits.CODE_ATTEMPTS_MAX):
        assert (await guess(node, registration, wrong)).problem() == "code-refused"
    assert (await guess(node, registration, right)).problem() in {"code-refused", "rate-limited"}
    assert (await guess(node, "y" * 43, right)).status in {403, 404, 429}


async def test_b2_one_address_gets_no_more_codes_than_its_budget(
    start_node: StartNode, ground: Ground
) -> None:
    budget = msgspec.structs.replace(roomy_limits(), codes_per_address_hour=5)
    node = await start_node(ground, None, budget)
    answers = []
    for index in range(8):
        body = resources.NewRegistration(number=f"+4479111005{index:02}")
        answers.append(await node.request("POST", "/v1/registrations", body))
    assert [answer.status for answer in answers] == [201] * 5 + [429] * 3
    assert answers[-1].problem() == "rate-limited"
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert ground.code_book.sent == 5


async def test_d15_what_is_anothers_looks_like_nothing(
    node: Node, ann: Person, bob: Person
) -> None:
    await node.link(ann)
    pairs = [
        ("DELETE", "/v1/devices/{}", "2", "120"),
        ("GET", "/v1/calls/{}", str(uuid4()), str(uuid4())),
        ("DELETE", "/v1/contacts/{}", str(ann.address.account), str(uuid4())),
    ]
    for method, path, theirs, nobodys in pairs:
        mine = await node.request(method, path.format(theirs), token=bob.token)
        none = await node.request(method, path.format(nobodys), token=bob.token)
        assert (mine.status, mine.body) == (none.status, none.body)
        assert mine.status in {403, 404}
    tablet = await node.messaging.records.devices(ann.address.account)
    assert len(tablet) == 2


async def test_d15_the_sender_is_who_the_token_says(node: Node, ann: Person, bob: Person) -> None:
    sent = msgspec.to_builtins(ann.write(bob), str_keys=True)
    body = {key: value for key, value in sent.items() if key not in {"type", "ref"}}
    forged = await node.request(
        "POST",
        "/v1/messages",
        token=bob.token,
        data=msgspec.json.encode({**body, "sender": {"account": ann.address.account, "device": 1}}),
        headers=JSON,
    )
    assert forged.status == 422


async def test_a11_no_traceback_and_no_secret_in_answers_or_logs(
    node: Node, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("broken by the test")

    monkeypatch.setattr(node.messaging.lookups, "find", fail, raising=False)
    with capture_logs() as logs:
        wire = await node.connect(ann)
        answers = [
            await node.request("GET", f"/v1/account?token={ann.token}", token=ann.token),
            await node.request("GET", f"/{ann.token}/+447911100001"),
            await node.request("POST", "/v1/lookups", {"numbers": ["+447911100001"]}, ann.token),
            await node.request("POST", f"/v1/registrations/{ann.token}/code"),
        ]
        await wire.send_raw(b"\xc1" + ann.token.encode())
        await wire.expect_close()
    for answer in answers[1:]:
        assert b"Traceback" not in answer.body
        assert b".py" not in answer.body
    assert answers[2].status == 500
    text = repr([{k: v for k, v in entry.items() if k != "exc_info"} for entry in logs])
    for secret in (ann.token, ann.credential, "447911100001"):
        assert secret not in text
    assert [entry["event"] for entry in logs].count("request broke") == 1


async def test_answers_carry_no_version_and_are_not_cached(node: Node) -> None:
    answer = await node.request("GET", "/v1/openapi.json")
    assert answer.headers["Server"] == "ringline"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert msgspec.json.decode(answer.body)["openapi"] == "3.1.0"
