"""The rehearsal gateway on a free port."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer

from loadtest.rehearsal import RehearsalGateway


@pytest.fixture
async def gateway() -> AsyncIterator[RehearsalGateway]:
    rehearsal = RehearsalGateway()
    server = TestServer(rehearsal.app, host="127.0.0.1")
    await server.start_server()
    rehearsal.base = str(server.make_url("")).rstrip("/")
    yield rehearsal
    await server.close()
