import uuid
from typing import Any

import pytest

from ringline.command.exit_codes import ExitCode
from ringline.command.people import People
from ringline.command.run import Failed
from ringline.protocol.resources import Found, LookupResult

ANN, BOB, EVE = (uuid.UUID(int=n) for n in (1, 2, 3))


class FakeClient:
    server = "http://x"
    account = ANN

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.identity = type("Identity", (), {"number": "+12025550111"})

    async def known_numbers(self) -> dict[uuid.UUID, str | None]:
        return {BOB: "+12025550122", EVE: None}

    async def lookup(self, numbers: list[str]) -> LookupResult:
        self.asked += numbers
        found = [Found(number="+12025550133", account=EVE)] if "33" in numbers[0] else []
        return LookupResult(found=found, new_numbers_left=5)


@pytest.fixture
async def people() -> Any:
    people = People(FakeClient())  # type: ignore[arg-type]
    await people.load()
    return people


async def test_an_account_is_itself(people: People) -> None:
    assert await people.find(str(BOB)) == BOB


async def test_known_numbers_are_not_asked_for(people: Any) -> None:
    assert await people.find("+1 (202) 555-0122") == BOB
    assert people._client.asked == []


async def test_others_are_looked_up_once(people: Any) -> None:
    assert await people.find("+1 202 555 0133") == EVE
    assert await people.find("+12025550133") == EVE
    assert people._client.asked == ["+1 202 555 0133"]
    assert people.name(EVE) == "+12025550133"


async def test_who_is_not_there(people: People) -> None:
    with pytest.raises(Failed) as failed:
        await people.find("+12025550199")
    assert failed.value.code is ExitCode.REFUSED
    with pytest.raises(Failed) as failed:
        await people.find("bob")
    assert failed.value.code is ExitCode.USAGE


async def test_names(people: People) -> None:
    assert people.name(ANN) == "you"
    assert people.name(BOB) == "+12025550122"
    assert people.name(EVE) == str(EVE)
    assert (people.number(ANN), people.number(EVE)) == ("+12025550111", None)
