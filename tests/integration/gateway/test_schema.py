"""schemathesis over our own OpenAPI: no 500, and every answer as the document says."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from signaling.openapi import openapi_document
from signaling.settings import GatewaySettings
from tests.integration.gateway.group_ground import announce, group_ground
from tests.integration.gateway.stage import Node

UNBOUNDED = 1_000_000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]
schema = schemathesis.openapi.from_dict(openapi_document())


@dataclass
class Target:
    url: str
    node: Node
    loop: asyncio.AbstractEventLoop
    people: int = 0

    def fresh_token(self) -> str:
        self.people += 1
        number = f"+4479112{self.people:05}"
        registering = asyncio.run_coroutine_threadsafe(self.node.register(number), self.loop)
        return registering.result(10).token


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A gateway on a loop of its own: schemathesis calls by blocking requests."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Target:
        ground, _ = group_ground()
        node = await Node.start(
            ground,
            GatewaySettings(
                address_requests_burst=UNBOUNDED,
                account_frames_burst=UNBOUNDED,
                anonymous_connections_per_address_max=UNBOUNDED,
                group_calls_per_account_hour=UNBOUNDED,
                join_tickets_per_account_minute=UNBOUNDED,
                relay_credentials_per_account_hour=UNBOUNDED,
            ),
        )
        await announce(node, "sfu-1")
        return Target(node.url, node, loop)

    started = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    yield started
    asyncio.run_coroutine_threadsafe(started.node.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def token(target: Target) -> str:
    """Of a person of this test's own: one of the operations removes devices."""
    return target.fresh_token()


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_every_operation_answers_as_described(
    case: schemathesis.Case[Any], target: Target, token: str
) -> None:
    with requests.Session() as session:
        headers = {"Authorization": f"Bearer {token}"}
        case.call_and_validate(
            base_url=target.url, session=session, headers=headers, checks=CHECKS, timeout=5
        )


@pytest.mark.parametrize("path", ["/v1/account", "/v1/contacts"])
def test_the_suite_above_comes_in_with_a_good_token(path: str, target: Target, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(target.url + path, headers=headers, timeout=5).status_code == 200
