"""A device's queue follows its record.

Records and queues are two stores without a common transaction: somebody who registers the number, or
removes the device, may come between the two writes. So every opening is looked at again afterwards;
whoever writes a queue last also looks last, and leaves exactly the queues that Records has devices for.
"""

from backplane.storage.device_queues import DeviceQueues, QueueDevice
from backplane.storage.records import DeviceRecord, Records
from ringline.protocol.types import Address


async def open_queue(
    records: Records, queues: DeviceQueues, device: DeviceRecord, now: int
) -> bool:
    """Open the device's queue; False, with no queue left, when the device is no more."""
    address = Address(device.account, device.device)
    await queues.open(device.account, QueueDevice(device.device, device.registration_id), now)
    if await records.device(address) is not None:
        return True
    await queues.close(address)
    return False


async def replace_queues(
    records: Records, queues: DeviceQueues, device: DeviceRecord, now: int
) -> bool:
    """Leave this device's queue alone; False when a later registration has replaced it already.

    A device that joined after `device` was recorded has lost its queue here and gets another."""
    account = device.account
    await queues.replace(account, QueueDevice(device.device, device.registration_id), now)
    for joined in await records.devices(account):
        if joined.device != device.device:
            await open_queue(records, queues, joined, now)
    return await open_queue(records, queues, device, now)
