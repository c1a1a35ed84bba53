from collections.abc import AsyncIterator, Iterator

import aioice.ice
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from signaling.net.page import BUILT
from tests.e2e.web.browser import AXE, FLAGS, WITHOUT_DEVICES, chromium
from tests.e2e.web.stand_in import StandIn


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """`make setup` does it; not the tests, which may run side by side."""
    for path in (BUILT / "index.html", AXE):
        assert path.is_file(), f"{path.name} is missing: run scripts/web.py"


@pytest.fixture(scope="module", autouse=True)
def loopback() -> Iterator[None]:
    """aioice leaves out 127.0.0.1, and here nothing else may be used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium(FLAGS) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare_browser() -> AsyncIterator[Browser]:
    """Without a camera and a microphone."""
    async with chromium(WITHOUT_DEVICES) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def stand_in() -> AsyncIterator[StandIn]:
    server = StandIn()
    await server.start()
    yield server
    await server.stop()
