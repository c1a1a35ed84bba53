import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.turn.client import Port
from tests.integration.turn.networks import Networks, networks
from tests.integration.turn.relay import ROOMY, Relay, running

StartRelay = Callable[..., Relay]


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    """Closes the sockets of the test."""
    yield
    while Port.opened:
        Port.opened.pop().close()
    await asyncio.sleep(0)


@pytest.fixture(scope="session")
def nets() -> Iterator[Networks]:
    with networks() as made:
        yield made


@pytest.fixture(scope="session")
def relay(nets: Networks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """One for all tests that need no settings of their own, with the peer rules of production."""
    roomy = {"allocations_per_address_max": 4_000, **ROOMY}
    with running(nets, tmp_path_factory.mktemp("relay"), **roomy) as started:
        yield started


@pytest.fixture
def start_relay(nets: Networks, tmp_path: Path) -> Iterator[StartRelay]:
    """Starts relays with settings; each on a port of its own beside the shared one."""
    with ExitStack() as stack:
        count = 0

        def start(**settings: Any) -> Relay:
            nonlocal count
            count += 1
            folder = tmp_path / str(count)
            folder.mkdir()
            chosen = {"port": 4000 + count, "admin_port": 0, **settings}
            return stack.enter_context(running(nets, folder, **chosen))

        yield start
