"""Every adapter of the storage ports, each test on a new one; and the words the tests are made of."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from backplane.storage.device_queues import (
    DevicePayload,
    DeviceQueues,
    FetchRequest,
    QueueDevice,
    QueueEntry,
    RecipientPayloads,
    SendCommitted,
    SendOperation,
    SendOutcome,
)
from backplane.storage.open_sqlite import migrate, open_memory_storage, open_storage
from backplane.storage.records import Records
from backplane.storage.settings import StorageSettings
from ringline.protocol.types import Address

NOW = 1_800_000_000_000
RETENTION = 1_000_000
REGISTRATION_ID = 77
ADAPTERS = ("sqlite", "memory")


@pytest.fixture
def settings(tmp_path: Path) -> StorageSettings:
    return StorageSettings(directory=str(tmp_path / "data"))


@pytest.fixture(params=ADAPTERS)
async def storage(
    request: pytest.FixtureRequest, settings: StorageSettings
) -> AsyncIterator[tuple[Records, DeviceQueues]]:
    if request.param == "memory":
        records, queues = open_memory_storage()
    else:
        migrate(settings)
        records, queues = open_storage(settings)
    yield records, queues
    await records.shut()
    await queues.shut()


@pytest.fixture
def queues(storage: tuple[Records, DeviceQueues]) -> DeviceQueues:
    return storage[1]


@pytest.fixture
def records(storage: tuple[Records, DeviceQueues]) -> Records:
    return storage[0]


async def open_account(queues: DeviceQueues, devices: int) -> UUID:
    """An account with the devices 1 … `devices`."""
    account = uuid4()
    for device in range(1, devices + 1):
        await queues.open(account, QueueDevice(device, REGISTRATION_ID), NOW)
    return account


def payloads(account: UUID, devices: int, payload: bytes = b"sealed") -> RecipientPayloads:
    """For the devices 1 … `devices`."""
    return RecipientPayloads(
        account,
        tuple(DevicePayload(d, REGISTRATION_ID, payload) for d in range(1, devices + 1)),
    )


def operation(
    sender: Address,
    conversation: UUID,
    sequence: int,
    *recipients: RecipientPayloads,
    message: UUID | None = None,
    at: int = NOW,
) -> SendOperation:
    return SendOperation(
        sender=sender,
        message=message or uuid4(),
        conversation=conversation,
        sequence=sequence,
        recipients=recipients,
        at=at,
        expires_at=at + RETENTION,
    )


def committed(outcome: SendOutcome) -> SendCommitted:
    assert isinstance(outcome, SendCommitted), outcome
    return outcome


async def fetch(
    queues: DeviceQueues, address: Address, after: int = 0, limit: int = 100, now: int = NOW
) -> tuple[QueueEntry, ...]:
    (entries,) = await queues.fetch([FetchRequest(address, after, limit)], now)
    return entries


async def positions(queues: DeviceQueues, address: Address, now: int = NOW) -> list[int]:
    return [entry.position for entry in await fetch(queues, address, limit=100_000, now=now)]
