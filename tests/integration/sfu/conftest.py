"""A whole SFU node on loopback, on the memory twins."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from backplane.bus.memory import MemoryBus, MemoryHub
from backplane.registry.memory import MemoryRegistry
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics
from backplane.tickets import TicketSigner, TicketVerifier
from sfu.app import Sfu, build_sfu
from sfu.settings import SfuSettings
from tests.integration.sfu.callers import Tickets


class Stage:
    """The node and what it stands on."""

    def __init__(self, settings: SfuSettings) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.private = self.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()
        self.public = (
            self.key.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
        self.now_s = time.time()
        self.registry = MemoryRegistry(lambda: int(self.now_s * 1000))
        self.metrics = Metrics()
        self.hub = MemoryHub()
        self.sfu: Sfu = build_sfu(
            settings,
            verifier=TicketVerifier([self.public]),
            registry=self.registry,
            bus=MemoryBus(self.hub, self.metrics),
            metrics=self.metrics,
            health=Health(),
            clock=lambda: self.now_s,
        )
        self.tickets = Tickets(TicketSigner(self.private), self.sfu, lambda: self.now_s)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"ringline_{name}_total", labels) or 0


StageMaker = Callable[[SfuSettings], AbstractAsyncContextManager[Stage]]
SETTINGS = SfuSettings(media_port=0, signalling_port=0, admin_port=0)


@asynccontextmanager
async def _stage(settings: SfuSettings) -> AsyncIterator[Stage]:
    stage = Stage(settings)
    await stage.sfu.start()
    try:
        yield stage
    finally:
        await stage.sfu.stop()


@pytest.fixture
def make_stage() -> StageMaker:
    return _stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with _stage(SETTINGS) as made:
        yield made
