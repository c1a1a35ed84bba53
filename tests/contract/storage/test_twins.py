"""SQLite and its memory twin under the same random operations: the same answers, all the time."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from backplane.storage.device_queues import (
    Append,
    DevicePayload,
    DeviceQueues,
    FetchRequest,
    QueueDevice,
    RecipientPayloads,
    Removal,
    SendOperation,
)
from backplane.storage.open_sqlite import migrate, open_memory_storage, open_storage
from backplane.storage.settings import StorageSettings
from ringline.protocol.types import Address

T = TypeVar("T")

# Few of everything, so that operations meet each other often.
ACCOUNTS = [UUID(int=n) for n in (1, 2)]
NUMBERS = (1, 2)
accounts = st.sampled_from(ACCOUNTS)
numbers = st.sampled_from(NUMBERS)
devices = st.builds(QueueDevice, numbers, st.integers(0, 1))
addresses = st.builds(Address, accounts, numbers)
messages = st.builds(lambda n: UUID(int=100 + n), st.integers(0, 3))
lifetimes = st.integers(1, 5)
payload = st.binary(min_size=1, max_size=4)
removals = st.builds(Removal, addresses, st.lists(st.integers(1, 8), max_size=4).map(tuple))
keys = st.none() | st.sampled_from([b"k", b"l"])


class Twins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(prefix="rl-")
        place = StorageSettings(directory=self.folder.name)
        migrate(place)
        self.stores = [self.run(open_both(place)), open_memory_storage()]
        self.now = 1000

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def both(self, call: Callable[[DeviceQueues], Awaitable[T]]) -> T:
        """The answer, which must be one."""

        async def answers() -> list[T]:
            return [await call(queues) for _, queues in self.stores]

        sqlite, memory = self.runner.run(answers())
        assert sqlite == memory
        return sqlite

    def listed(self, account: UUID, sender: Address) -> list[QueueDevice]:
        current = self.both(lambda q: q.devices(account))
        return [d for d in current if Address(account, d.device) != sender]

    @initialize()
    def open_some(self) -> None:
        for account in ACCOUNTS:
            for number in NUMBERS:
                self.open(account, QueueDevice(number, 0))

    @rule(account=accounts, device=devices)
    def open(self, account: UUID, device: QueueDevice) -> None:
        self.both(lambda q: q.open(account, device, self.now))

    @rule(account=accounts, device=devices)
    def replace(self, account: UUID, device: QueueDevice) -> None:
        self.both(lambda q: q.replace(account, device, self.now))

    @rule(address=addresses)
    def close(self, address: Address) -> None:
        self.both(lambda q: q.close(address))

    @rule(
        sender=addresses,
        to=accounts,
        message=messages,
        lifetime=lifetimes,
        step=st.sampled_from([0, 0, 0, 0, 1, -1]),
        spoil=st.sampled_from([None] * 4 + [QueueDevice(2, 0), QueueDevice(3, 0)]),
        body=payload,
    )
    def send(
        self,
        sender: Address,
        to: UUID,
        message: UUID,
        lifetime: int,
        step: int,
        spoil: QueueDevice | None,
        body: bytes,
    ) -> None:
        """Mostly right; sometimes with another sequence, or a device too many."""
        recipients = []
        for account in dict.fromkeys((to, sender.account)):
            listed = self.listed(account, sender)
            if spoil is not None and account == to:
                listed.append(spoil)
            payloads = tuple(DevicePayload(d.device, d.registration_id, body) for d in listed)
            recipients.append(RecipientPayloads(account, payloads))
        operation = SendOperation(
            sender=sender,
            message=message,
            conversation=to,
            sequence=self.both(lambda q: q.next_sequence(sender, to)) + step,
            recipients=tuple(recipients),
            at=self.now,
            expires_at=self.now + lifetime,
        )
        self.both(lambda q: q.send(operation))
        self.both(lambda q: q.send(operation))

    @rule(
        removed=st.lists(removals, max_size=3),
        appended=st.lists(
            st.tuples(accounts, payload, lifetimes, st.none() | numbers, st.none() | numbers, keys),
            max_size=3,
        ),
    )
    def change(
        self,
        removed: list[Removal],
        appended: list[tuple[UUID, bytes, int, int | None, int | None, bytes | None]],
    ) -> None:
        appends = [
            Append(account, body, self.now + lifetime, device, except_device, key)
            for account, body, lifetime, device, except_device, key in appended
        ]
        self.both(lambda q: q.change(removed, appends))

    @rule(limit=st.integers(0, 4))
    def sweep(self, limit: int) -> None:
        self.both(lambda q: q.sweep(self.now, limit))

    @rule(step=st.integers(1, 3))
    def pass_time(self, step: int) -> None:
        self.now += step

    @rule(after=st.integers(0, 6), limit=st.integers(0, 4))
    def fetch_some(self, after: int, limit: int) -> None:
        requests = [FetchRequest(Address(a, n), after, limit) for a in ACCOUNTS for n in NUMBERS]
        self.both(lambda q: q.fetch(requests, self.now))

    @invariant()
    def nothing_differs(self) -> None:
        everyone = [Address(account, n) for account in ACCOUNTS for n in NUMBERS]
        self.both(lambda q: q.fetch([FetchRequest(a, 0, 1000) for a in everyone], 0))
        for address in everyone:
            self.both(lambda q, a=address: q.head(a))  # type: ignore[misc]

    def teardown(self) -> None:
        async def shut() -> None:
            for records, queues in self.stores:
                await queues.shut()
                await records.shut()

        self.run(shut())
        self.runner.close()
        self.folder.cleanup()


async def open_both(place: StorageSettings) -> Any:
    return open_storage(place)


@pytest.mark.timeout(400)  # time enough to shrink what fails
def test_the_twins_answer_alike() -> None:
    run_state_machine_as_test(
        Twins,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
