"""Both registries. Redis runs as a cluster of one node that owns every slot: a script whose keys
fall into two slots fails here, as it would in a real cluster."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backplane.registry.open import memory_registry, open_registry
from backplane.registry.ports import Registry
from backplane.registry.settings import RegistrySettings
from tests.conftest import START_S_MAX, RedisServer

LEASE_MS = 1000


class Ground:
    """A registry, and a way to let its clock run on."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def pass_ms(self, duration_ms: int) -> None:
        raise NotImplementedError


class MemoryGround(Ground):
    def __init__(self, settings: RegistrySettings) -> None:
        self.now = 1_795_000_000_000
        super().__init__(memory_registry(lambda: self.now, settings))

    async def pass_ms(self, duration_ms: int) -> None:
        self.now += duration_ms


class RedisGround(Ground):
    async def pass_ms(self, duration_ms: int) -> None:
        """Redis keeps its own time, so this takes as long as it says."""
        await asyncio.sleep(duration_ms / 1000)


@pytest.fixture(scope="session")
def cluster_server() -> Iterator[RedisServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    options = ("--port", "0", "--cluster-enabled", "yes", "--cluster-port", port)
    with tempfile.TemporaryDirectory(prefix="rl-") as folder:
        server = RedisServer(Path(folder), (*options, "--bind", "127.0.0.1"))
        try:
            server.start()
            assert server.tell("CLUSTER ADDSLOTSRANGE 0 16383") == b"+OK\r\n"
            deadline = time.monotonic() + START_S_MAX
            while b"cluster_state:ok" not in server.tell("CLUSTER INFO"):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield server
        finally:
            server.kill()


@pytest.fixture(params=["memory", "redis"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    if request.param == "memory":
        yield MemoryGround(RegistrySettings(presence_lease_s=LEASE_MS // 1000))
        return
    server: RedisServer = request.getfixturevalue("cluster_server")
    assert server.tell("FLUSHALL") == b"+OK\r\n"
    settings = RegistrySettings(url=server.url, presence_lease_s=LEASE_MS // 1000)
    registry = open_registry(settings)
    yield RedisGround(registry)
    await registry.shut()


@pytest.fixture
def registry(ground: Ground) -> Registry:
    return ground.registry
