from typing import Any

import pytest

from ringline.client.errors import Refused
from ringline.client.net.api import Api
from ringline.client.net.rest import Rest
from ringline.client.net.tokens import MARGIN_MS, Tokens
from ringline.client.store import Identity
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import AccessToken, Contacts
from tests.unit.ringline.client.test_store import identity

EMPTY = Contacts(contacts=[])


class FakeRest:
    """Sells tokens, and takes the good ones."""

    def __init__(self) -> None:
        self.sold = 0
        self.good: set[str] = set()
        self.credential = identity().credential

    async def ask(self, _method: str, path: str, _answer: type, **options: Any) -> Any:
        if path == "/v1/tokens":
            if options["body"].credential != self.credential:
                raise Refused(ProblemType.CREDENTIAL_REFUSED.describe())
            self.sold += 1
            token = f"token-{self.sold}".ljust(43, "x")
            self.good = {token}
            return AccessToken(access_token=token, expires_at=0)
        if options["token"] not in self.good:
            raise Refused(ProblemType.UNAUTHENTICATED.describe())
        if path == "/v1/none":
            raise Refused(ProblemType.NOT_FOUND.describe())
        return EMPTY


class Stage:
    def __init__(self, known: Identity) -> None:
        self.now = 0
        self.rest = FakeRest()
        rest: Rest = self.rest  # type: ignore[assignment]
        self.tokens = Tokens(rest, known, lambda: self.now)
        self.api = Api(rest, self.tokens)


@pytest.fixture
def stage() -> Stage:
    return Stage(identity())


async def test_a_token_serves_while_it_is_good(stage: Stage) -> None:
    for _ in range(3):
        assert await stage.api.ask("GET", "/v1/contacts", Contacts) == EMPTY
    assert stage.rest.sold == 1
    stage.now = 30 * 60 * 1000 - MARGIN_MS + 1
    await stage.api.ask("GET", "/v1/contacts", Contacts)
    assert stage.rest.sold == 2


async def test_a_forgotten_token_is_replaced_once(stage: Stage) -> None:
    await stage.api.ask("GET", "/v1/contacts", Contacts)
    stage.rest.good.clear()
    assert await stage.api.ask("GET", "/v1/contacts", Contacts) == EMPTY
    assert stage.rest.sold == 2


async def test_other_refusals_are_the_callers(stage: Stage) -> None:
    with pytest.raises(Refused) as refused:
        await stage.api.ask("GET", "/v1/none", Contacts)
    assert refused.value.name == "not-found"
    assert stage.rest.sold == 1


async def test_forgetting_an_old_token_keeps_the_new(stage: Stage) -> None:
    old = await stage.tokens.get()
    new, _ = await stage.tokens.buy()
    stage.tokens.forget(old)
    assert await stage.tokens.get() == new


async def test_a_credential_that_is_not_good_any_more() -> None:
    stage = Stage(identity(credential="z" * 43))
    with pytest.raises(Refused) as refused:
        await stage.api.ask("GET", "/v1/contacts", Contacts)
    assert refused.value.name == "credential-refused"
