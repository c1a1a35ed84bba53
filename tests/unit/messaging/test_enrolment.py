"""Whoever writes a queue last leaves exactly the queues that Records has devices for."""

from uuid import UUID

from backplane.storage.device_queues import DeviceQueues
from backplane.storage.open_sqlite import open_memory_storage
from backplane.storage.records import DeviceRecord, NewDeviceRecord, Records
from messaging.enrolment import open_queue, replace_queues
from ringline.protocol.types import Address

NUMBER, ACCOUNT = "+442079460000", UUID(int=1)


def new_device(registration_id: int) -> NewDeviceRecord:
    return NewDeviceRecord("phone", registration_id, bytes([registration_id]))


async def register(records: Records, registration_id: int) -> DeviceRecord:
    replacement = await records.register(NUMBER, ACCOUNT, new_device(registration_id), 0)
    return replacement.device


async def join(records: Records, registration_id: int) -> DeviceRecord:
    added = await records.add_device(ACCOUNT, new_device(registration_id), 8, 0)
    assert added is not None
    return added


async def opened(queues: DeviceQueues) -> dict[int, int]:
    return {queue.device: queue.registration_id for queue in await queues.devices(ACCOUNT)}


async def test_opened_for_a_device_that_is_there() -> None:
    records, queues = open_memory_storage()
    device = await register(records, 7)
    assert await open_queue(records, queues, device, 0)
    assert await opened(queues) == {1: 7}


async def test_closed_again_for_one_that_has_gone() -> None:
    records, queues = open_memory_storage()
    device = await register(records, 7)
    await records.remove_device(Address(ACCOUNT, device.device))
    assert not await open_queue(records, queues, device, 0)
    assert await opened(queues) == {}


async def test_slower_of_two_registrations_gives_way() -> None:
    records, queues = open_memory_storage()
    slow, fast = await register(records, 7), await register(records, 8)
    assert await replace_queues(records, queues, fast, 0)
    assert not await replace_queues(records, queues, slow, 0)
    assert await opened(queues) == {fast.device: 8}


async def test_device_that_joined_meanwhile_has_a_queue() -> None:
    records, queues = open_memory_storage()
    device = await register(records, 7)
    joined = await join(records, 8)
    assert await open_queue(records, queues, joined, 0)
    assert await replace_queues(records, queues, device, 0)
    assert await opened(queues) == {device.device: 7, joined.device: 8}
