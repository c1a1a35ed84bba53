import asyncio
import uuid
from typing import Any, cast

import pytest

from ringline.client.call_media import IceServer
from ringline.client.errors import Refused, RinglineError, Unreachable
from ringline.client.net import relays
from ringline.client.net.api import Api
from ringline.client.net.relays import Relays
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import RelayCredentials

CALL = uuid.UUID(int=7)


class Answering:
    def __init__(self, answer: RelayCredentials | RinglineError | None) -> None:
        self._answer = answer
        self.asked: list[tuple[str, str]] = []

    async def ask(self, method: str, path: str, answer: type[Any]) -> Any:
        assert answer is RelayCredentials
        self.asked.append((method, path))
        if self._answer is None:
            await asyncio.Event().wait()
        if isinstance(self._answer, RinglineError):
            raise self._answer
        return self._answer


def credentials(*uris: str) -> RelayCredentials:
    return RelayCredentials(
        uris=list(uris), username="user", password="secret", allocate_until=0, refresh_until=0
    )


async def servers(api: Answering) -> list[IceServer]:
    return list(await Relays(cast(Api, api)).servers(CALL))


async def test_the_relays_of_a_call() -> None:
    api = Answering(credentials("turn:a", "turn:b"))
    assert await servers(api) == [IceServer(("turn:a", "turn:b"), "user", "secret")]
    assert api.asked == [("POST", f"/v1/calls/{CALL}/relay-credentials")]


@pytest.mark.parametrize(
    "answer",
    [
        credentials(),
        Unreachable("away"),
        Refused(ProblemType.UNAVAILABLE.describe()),
        Refused(ProblemType.RATE_LIMITED.describe(retry_after_s=60)),
    ],
)
async def test_without_relays_the_call_goes_on(answer: RelayCredentials | RinglineError) -> None:
    assert await servers(Answering(answer)) == []


async def test_a_server_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relays, "TIMEOUT_S", 0.05)
    assert await servers(Answering(None)) == []
