from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from ringline.protocol.resources import DeviceCredential, RelayCredentials
from ringlined.doctor.gateway_hops import Account
from ringlined.doctor.media_hops import (
    check_relay,
    check_relay_credentials,
    check_relay_port,
    check_sfu,
    relay_credentials,
)
from ringlined.doctor.questions import Questions
from ringlined.trial.program import StepFailed
from tests.unit.ringlined.doctor import test_relay_client as made_up
from tests.unit.ringlined.doctor.stand_in import Answer, healthy, stand_in
from tests.unit.ringlined.doctor.test_gateway_hops import TOKEN, installation

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
ACCOUNT = Account(
    DeviceCredential(account=uuid4(), device=1, number="+999", credential=TOKEN), TOKEN
)


@pytest.fixture
async def questions() -> AsyncIterator[Questions]:
    made = Questions()
    yield made
    await made.close()


def credentials(*uris: str, word: str = "p") -> RelayCredentials:
    return RelayCredentials(
        uris=list(uris), username="1:2:a:b", password=word, allocate_until=1, refresh_until=2
    )


def refusal(status: int, detail: str) -> Answer:
    return status, {"type": "about:blank", "title": "No", "status": status, "detail": detail}


async def test_a_gateway_without_the_secret_is_told(questions: Questions) -> None:
    async with stand_in(lambda *_: refusal(503, "no secret")) as server:
        with pytest.raises(StepFailed, match="no secret") as caught:
            await relay_credentials(questions, installation(server.url), ACCOUNT)
    assert "secret" in caught.value.advice


async def test_no_relay_in_the_registry_is_told(questions: Questions) -> None:
    async with stand_in(lambda *_: (200, healthy())) as server:
        with pytest.raises(StepFailed, match="no relay is in the registry"):
            await check_relay(questions, installation(server.url), credentials())


async def test_a_relays_process_that_is_gone_is_told(questions: Questions) -> None:
    with pytest.raises(StepFailed, match="the relay's process does not answer"):
        await check_relay(questions, installation("http://127.0.0.1:1"), credentials("turn:x"))


async def test_a_relay_that_answers_and_takes_the_credential_is_well() -> None:
    async with made_up.relay(made_up.honest) as (_, (host, port)):
        known = credentials(f"turn:{host}:{port}?transport=udp")
        assert await check_relay_port(known) == {"we_are_seen_as": ["127.0.0.1"]}
        relayed = await check_relay_credentials(known)
    assert relayed == {"relayed_addresses": ["192.0.2.9:50000"]}


async def test_another_secret_is_told_with_what_to_compare() -> None:
    async with made_up.relay(made_up.honest) as (_, (host, port)):
        known = credentials(f"turn:{host}:{port}?transport=udp", word="q")
        with pytest.raises(StepFailed, match="401") as caught:
            await check_relay_credentials(known)
    assert "relay.secret" in caught.value.advice


async def test_a_port_that_nobody_has_is_told() -> None:
    with pytest.raises(StepFailed, match="does not answer") as caught:
        await check_relay_port(credentials("turn:127.0.0.1:9?transport=udp"))
    assert "firewall" in caught.value.advice


async def test_no_sfu_node_is_told_and_the_call_is_ended(questions: Questions) -> None:
    def gateway(method: str, path: str) -> Answer:
        if path == "/readyz":
            return 200, healthy()
        if path.endswith("/tickets"):
            return refusal(503, "no SFU node is there")
        if method == "DELETE":
            return 204, None
        call = {"call": ID, "creator": ID, "members": [], "link_token": TOKEN, "created_at": 1}
        return 201, {**call, "ended_at": None}

    async with stand_in(gateway) as server:
        with pytest.raises(StepFailed, match="no SFU node") as caught:
            await check_sfu(questions, installation(server.url), ACCOUNT)
        assert [method for method, _ in server.asked] == ["GET", "POST", "POST", "DELETE"]
    assert "registry" in caught.value.advice or "Redis" in caught.value.advice
