"""The child process of the durability tests.

    committer.py DIRECTORY SENDER CONVERSATION TAG FIRST COUNT FLIGHT

Sends COUNT messages of one device from sequence FIRST on, FLIGHT at a time, each payload being
`TAG sequence`, and writes `sequence <newline>` to standard output after each one's future has resolved.
"""

import asyncio
import os
import sys
from uuid import UUID, uuid4

from backplane.storage.device_queues import (
    DevicePayload,
    RecipientPayloads,
    SendCommitted,
    SendOperation,
)
from backplane.storage.open_sqlite import open_storage
from backplane.storage.settings import StorageSettings
from ringline.protocol.types import Address
from tests.contract.storage.conftest import NOW, REGISTRATION_ID, RETENTION


async def run(
    directory: str, sender: Address, conversation: UUID, tag: str, numbers: range, flight: int
) -> None:
    records, queues = open_storage(StorageSettings(directory=directory))
    room = asyncio.Semaphore(flight)

    async def send(number: int) -> None:
        payload = f"{tag} {number}".encode()
        outcome = await queues.send(
            SendOperation(
                sender=sender,
                message=uuid4(),
                conversation=conversation,
                sequence=number,
                recipients=(
                    RecipientPayloads(conversation, (DevicePayload(1, REGISTRATION_ID, payload),)),
                ),
                at=NOW,
                expires_at=NOW + RETENTION,
            )
        )
        assert isinstance(outcome, SendCommitted), outcome
        os.write(1, b"%d\n" % number)
        room.release()

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            await room.acquire()
            group.create_task(send(number))
    await queues.shut()
    await records.shut()


def main() -> None:
    directory, account, conversation, tag, first, count, flight = sys.argv[1:]
    numbers = range(int(first), int(first) + int(count))
    sender = Address(UUID(account), 1)
    asyncio.run(run(directory, sender, UUID(conversation), tag, numbers, int(flight)))


if __name__ == "__main__":
    main()
