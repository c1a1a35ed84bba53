"""OpenAPI 3.1 from the route table and the wire structs."""

from http import HTTPStatus
from typing import Any, Final

from ringline.protocol.problems import Problem, ProblemType
from signaling.routes import PARAMETERS, ROUTES, Route
from signaling.schemas import schemas_of

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
SCHEME: Final = "accessToken"
VERSION: Final = "1"

Document = dict[str, Any]


def openapi_document(routes: tuple[Route, ...] = ROUTES) -> Document:
    types: list[Any] = [Problem, *PARAMETERS.values()]
    types += [shape for route in routes for shape in (route.body, route.answer) if shape]
    unique = list(dict.fromkeys(types))
    listed, components = schemas_of(unique)
    schemas = dict(zip(unique, listed, strict=True))
    paths: Document = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ringline",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "The requests of the gateway. What is live goes over `GET /v1/socket`, "
            "which the AsyncAPI document describes. Every error is a problem document (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {SCHEME: {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[Any, Document]) -> Document:
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{SCHEME: []}] if route.authenticated else [],
        "responses": _responses(route, schemas),
    }
    if route.parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": schemas[PARAMETERS[name]]}
            for name in route.parameters
        ]
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(route: Route, schemas: dict[Any, Document]) -> Document:
    good: Document = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        good["content"] = {"application/json": {"schema": schemas[route.answer]}}
    by_status: dict[int, list[ProblemType]] = {}
    for problem in route.all_problems:
        by_status.setdefault(problem.status, []).append(problem)
    responses: Document = {str(route.status): good}
    for status, problems in sorted(by_status.items()):
        responses[str(status)] = _problem_response(problems, schemas[Problem])
    return responses


def _problem_response(problems: list[ProblemType], schema: Document) -> Document:
    return {
        "description": "; ".join(f"`{problem.uri}`: {problem.title}" for problem in problems),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}},
    }
