from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ringlined.config import load_config
from ringlined.doctor.gateway_hops import ACCOUNTS, check_gateway, check_ready, two_accounts
from ringlined.doctor.installation import Installation
from ringlined.doctor.questions import Questions
from ringlined.trial.program import StepFailed
from tests.unit.ringlined.doctor.stand_in import Answer, healthy, stand_in

TOKEN = "t" * 43


@pytest.fixture
async def questions() -> AsyncIterator[Questions]:
    made = Questions()
    yield made
    await made.close()


def installation(url: str) -> Installation:
    admin = {"gateway": url, "sfu": url, "turn": url}
    return Installation(load_config(None), Path("var"), url, admin, None, is_local=True)


class Operator:
    """The gateway's two doors: makes accounts, and lets them in unless `broken` at a path."""

    def __init__(self, broken: str = "", status: int = 503) -> None:
        self.broken = broken
        self.status = status
        self.accounts: set[str] = set()

    def answer(self, method: str, path: str) -> Answer:
        if self.broken and path.startswith(self.broken):
            return self.status, {"type": "about:blank", "title": "Broken", "status": self.status}
        if method == "DELETE":
            self.accounts.remove(path.removeprefix(ACCOUNTS + "/"))
            return 204, None
        if path == ACCOUNTS:
            account = str(uuid4())
            self.accounts.add(account)
            credential = {"account": account, "device": 1, "number": "+999", "credential": TOKEN}
            return 201, credential
        return 201, {"access_token": TOKEN, "expires_at": 1}


async def test_two_accounts_are_made_and_removed(questions: Questions) -> None:
    operator = Operator()
    async with stand_in(operator.answer) as server:
        async with two_accounts(questions, installation(server.url), "secret") as (one, two):
            assert {str(one.credential.account), str(two.credential.account)} == operator.accounts
            assert isinstance(one.credential.account, UUID)
            assert one.token == TOKEN
        assert operator.accounts == set()


async def test_accounts_are_removed_when_a_hop_fails(questions: Questions) -> None:
    operator = Operator()
    async with stand_in(operator.answer) as server:
        with pytest.raises(StepFailed, match="later"):
            async with two_accounts(questions, installation(server.url), "secret"):
                raise StepFailed("later")
    assert operator.accounts == set()


async def test_accounts_are_removed_when_they_cannot_log_in(questions: Questions) -> None:
    operator = Operator(broken="/v1/tokens")
    async with stand_in(operator.answer) as server:
        with pytest.raises(StepFailed, match="503 Broken"):
            async with two_accounts(questions, installation(server.url), "secret"):
                raise AssertionError("they logged in")
    assert operator.accounts == set()


async def test_a_refused_token_is_explained(questions: Questions) -> None:
    operator = Operator(broken=ACCOUNTS, status=401)
    async with stand_in(operator.answer) as server:
        with pytest.raises(StepFailed) as caught:
            async with two_accounts(questions, installation(server.url), "wrong"):
                raise AssertionError("it was let in")
    assert "operator's token" in caught.value.advice


async def test_without_a_token_nothing_is_asked(questions: Questions) -> None:
    async with stand_in(Operator().answer) as server:
        with pytest.raises(StepFailed, match="no operator's token"):
            async with two_accounts(questions, installation(server.url), ""):
                raise AssertionError("it went on")
        assert server.asked == []


async def test_a_gateway_that_is_well(questions: Questions) -> None:
    async with stand_in(lambda *_: (200, healthy())) as server:
        figures = await check_gateway(questions, installation(server.url))
    assert figures == {"well": ["records", "queues", "registry"]}


async def test_a_sick_part_is_named(questions: Questions) -> None:
    async with stand_in(lambda *_: (503, healthy("queues"))) as server:
        with pytest.raises(StepFailed, match=r"the file of queues \(StorageFull\)"):
            await check_gateway(questions, installation(server.url))


async def test_a_stopping_node_is_not_well(questions: Questions) -> None:
    async with stand_in(lambda *_: (503, healthy())) as server:
        with pytest.raises(StepFailed, match="the SFU is stopping"):
            await check_ready(questions, "SFU", server.url)


async def test_somebody_elses_port_is_named(questions: Questions) -> None:
    async with stand_in(lambda *_: (200, {"hello": "world"})) as server:
        with pytest.raises(StepFailed, match="not the gateway's port"):
            await check_ready(questions, "gateway", server.url)


async def test_nobody_there_is_a_matter_of_the_process(questions: Questions) -> None:
    with pytest.raises(StepFailed) as caught:
        await check_gateway(questions, installation("http://127.0.0.1:1"))
    assert "process" in caught.value.advice
