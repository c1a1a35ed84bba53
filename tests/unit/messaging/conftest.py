"""Messaging on the memory twins, with a clock and a code provider that tests hold in their hands."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus
from backplane.bus.ports import AnyBusMessage
from backplane.registry.open import memory_registry
from backplane.storage.open_sqlite import open_memory_storage
from messaging.app import Messaging, build_messaging
from messaging.settings import MessagingSettings, RegistrationLimits
from ringline.protocol.resources import DeviceCredential, NewDevice, Verification
from ringline.protocol.types import Address

PEER = "198.51.100.7"
NUMBER = "+442079460000"
NEW_DEVICE = NewDevice(name="phone", registration_id=7)


@dataclass
class Town:
    """Everything a test may want to turn or look at."""

    messaging: Messaging
    clock: "Clock"
    codes: dict[str, str]
    woken: list[Address]
    alerts: list[str]
    bus_messages: list[AnyBusMessage] = field(default_factory=list)

    async def register(self, number: str = NUMBER, peer: str = PEER) -> DeviceCredential:
        started = await self.messaging.registrations.start(number, peer)
        wish = Verification(code=self.codes[number], device=NEW_DEVICE)
        return await self.messaging.registrations.verify(started.registration, wish, peer)


@dataclass
class Clock:
    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


class Codes:
    def __init__(self, codes: dict[str, str]) -> None:
        self._codes = codes

    async def send(self, number: str, code: str) -> None:
        self._codes[number] = code


BuildTown = Callable[..., Town]


@pytest.fixture
async def build_town() -> BuildTown:
    def build(limits: RegistrationLimits | None = None, **settings: object) -> Town:
        clock, codes, woken, alerts = Clock(), {}, [], []  # type: ignore[var-annotated]
        records, queues = open_memory_storage()

        def notify(addresses: Sequence[Address]) -> None:
            woken.extend(addresses)

        messaging = build_messaging(
            records=records,
            queues=queues,
            registry=memory_registry(clock),
            bus=memory_bus(MemoryHub()),
            code_sender=Codes(codes),
            settings=MessagingSettings(
                allow_unsealed=bool(settings.pop("allow_unsealed", True)),
                limits=limits or RegistrationLimits(),
                **settings,  # type: ignore[arg-type]
            ),
            clock=clock,
            entropy=secrets.token_bytes,
            notify=notify,
            alert=alerts.append,
        )
        return Town(messaging, clock, codes, woken, alerts)

    return build


@pytest.fixture
async def town(build_town: BuildTown) -> Town:
    town = build_town()
    await town.messaging.bus.start("here", town.bus_messages.append, lambda: None)
    return town
