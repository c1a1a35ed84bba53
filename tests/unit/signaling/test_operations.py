import inspect
from uuid import UUID

import pytest

from ringline.protocol.types import Address
from signaling.operations import Operations, Request
from signaling.routes import ROUTES


def test_there_is_a_method_for_every_route_and_no_other() -> None:
    methods = {name for name, _ in inspect.getmembers(Operations) if not name.startswith("_")}
    assert methods == {route.name for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_returns_what_the_table_says(route: object) -> None:
    name, answer = route.name, route.answer  # type: ignore[attr-defined]  # a Route
    returned = inspect.signature(getattr(Operations, name)).return_annotation
    assert returned == answer


def test_nobody_is_the_caller_of_an_open_route() -> None:
    with pytest.raises(AssertionError):
        _ = Request("198.51.100.1", None, {}, None).caller
    address = Address(UUID(int=1), 1)
    assert Request("198.51.100.1", address, {}, None).caller == address
