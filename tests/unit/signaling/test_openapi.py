import json
from typing import Any

from signaling.openapi import PROBLEM_MEDIA_TYPE, openapi_document
from signaling.routes import ROUTES

DOCUMENT = openapi_document()


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        here = {node["$ref"]} if "$ref" in node else set()
        return here.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_every_route_is_in_it() -> None:
    described = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_error_is_a_problem_document() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == [PROBLEM_MEDIA_TYPE]


def test_authentication_is_stated_route_by_route() -> None:
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert bool(operation["security"]) is route.authenticated
        assert ("401" in operation["responses"]) >= route.authenticated


def test_requests_allow_no_unknown_fields() -> None:
    assert DOCUMENT["components"]["schemas"]["NewMessage"]["additionalProperties"] is False


def test_it_is_json() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
