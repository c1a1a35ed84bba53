from uuid import UUID

import pytest

from ringline.protocol.problems import ProblemType
from signaling.routes import ROUTES, Match, NoRoute, Route, RouteTable, WrongMethod

TABLE = RouteTable()
ACCOUNT = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


def matched(method: str, path: str) -> Match:
    found = TABLE.match(method, path)
    assert isinstance(found, Match)
    return found


def test_each_route_is_found_by_its_own_path() -> None:
    examples = {"account": ACCOUNT, "call": ACCOUNT, "device": "5", "registration": "r" * 43}
    for route in ROUTES:
        assert matched(route.method, route.path.format(**examples)).route is route


def test_parameters_arrive_in_their_types() -> None:
    assert matched("DELETE", "/v1/devices/127").parameters == {"device": 127}
    assert matched("GET", f"/v1/accounts/{ACCOUNT}/devices").parameters == {
        "account": UUID(ACCOUNT)
    }


def test_a_word_wins_over_a_parameter() -> None:
    assert matched("POST", "/v1/devices/link-codes").route.name == "show_link_code"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v2/account",
        "/v1/account/",
        "//v1/account",
        "/v1//account",
        "/v1/devices/0",
        "/v1/devices/128",
        "/v1/devices/1.0",
        "/v1/devices/-1",
        "/v1/devices/" + "9" * 5000,
        "/v1/contacts/not-a-uuid",
        "/v1/registrations/short/code",
        "/v1/registrations/" + "r" * 129 + "/code",
        "/v1/contacts/../account",
    ],
)
def test_anything_else_is_no_route(path: str) -> None:
    assert TABLE.match("GET", path) == NoRoute()
    assert TABLE.match("DELETE", path) == NoRoute()


def test_another_method_is_told_which_there_are() -> None:
    assert TABLE.match("GET", f"/v1/contacts/{ACCOUNT}") == WrongMethod(("DELETE", "PUT"))
    assert TABLE.match("HEAD", "/v1/account") == WrongMethod(("GET",))


def test_the_problems_of_a_route_follow_from_its_shape() -> None:
    bare = Route("x", "GET", "/x", "", 200, None, authenticated=False)
    assert ProblemType.UNAUTHENTICATED not in bare.all_problems
    assert ProblemType.TOO_LARGE not in bare.all_problems
    send = matched("POST", "/v1/messages").route
    assert {ProblemType.TOO_LARGE, ProblemType.SEQUENCE, ProblemType.STORAGE_FULL} <= set(
        send.all_problems
    )
    assert len(set(send.all_problems)) == len(send.all_problems)
