"""The group call desk where two gateways, or a gateway and a failure, meet."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from backplane.bus.ports import AnyBusMessage, GroupCallEnded
from backplane.errors import Unavailable
from backplane.registry.open import memory_registry
from backplane.registry.ports import Node, Registry
from backplane.storage.group_calls import GroupCallRecord
from backplane.storage.group_calls_memory import MemoryGroupCalls
from backplane.storage.records_memory import MemoryRecords
from backplane.telemetry.metrics import Metrics
from backplane.tickets import TicketSigner
from ringline.protocol import limits, resources
from ringline.protocol.types import Address
from signaling.group_call_desk import RETENTION_MS, GroupCallDesk

ANN, BOB = Address(UUID(int=1), 1), Address(UUID(int=2), 1)
LINK = "x" * 43
DAY_MS = 24 * 3600 * 1000


class RecordingSigner(TicketSigner):
    def __init__(self) -> None:
        self.issued_s: list[int] = []

    def sign(self, device: Address, call: UUID, node: str, id: str, now_s: int) -> str:  # noqa: A002
        del device, call, node, id
        self.issued_s.append(now_s)
        return "t" * 20


class FailingBus:
    """Fails as often as it is told to."""

    def __init__(self) -> None:
        self.failures = 0
        self.told: list[AnyBusMessage] = []

    async def tell_all(self, message: AnyBusMessage) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("gone")
        self.told.append(message)

    async def tell(self, nodes: Sequence[str], message: AnyBusMessage) -> None:
        raise AssertionError(f"not {message} to {nodes}: every node is told")

    async def start(self, *_: Any) -> None: ...

    async def shut(self) -> None: ...


class Clock:
    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


class Office:
    def __init__(self) -> None:
        self.clock, self.bus, self.signer = Clock(), FailingBus(), RecordingSigner()
        self.records, self.metrics = MemoryRecords(), Metrics()
        self.registry: Registry = memory_registry(self.clock)
        self.desk = GroupCallDesk(
            records=self.records,
            registry=self.registry,
            bus=self.bus,
            signer=self.signer,
            metrics=self.metrics,
            calls_per_account_hour=1_000,
            tickets_per_account_minute=1_000,
            clock=self.clock,
            entropy=bytes,
        )

    async def announce(self, name: str) -> None:
        await self.registry.nodes.announce(Node(name, "sfu", "http://x", 0.0), DAY_MS)

    async def make(self, number: int = 100) -> UUID:
        call = UUID(int=number)
        wish = resources.NewGroupCall(call=call, members=[BOB.account])
        await self.desk.create(ANN, wish)
        return call


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.announce("sfu-1")
    return office


async def test_a_removal_that_a_ticket_missed_is_later_than_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node compares the two times: what was issued before the removal is void."""
    call = await office.make()
    shown = MemoryGroupCalls.show

    async def slow_show(self: MemoryGroupCalls, wanted: UUID) -> GroupCallRecord | None:
        record = await shown(self, wanted)
        office.clock.now += 5_000
        monkeypatch.setattr(MemoryGroupCalls, "show", shown)
        await office.desk.remove_member(ANN, call, BOB.account)
        office.clock.now += 5_000
        return record

    monkeypatch.setattr(MemoryGroupCalls, "show", slow_show)
    await office.desk.ticket(BOB, call, resources.NewJoinTicket())
    removed_at = await office.registry.removals.get(call, BOB.account)
    assert removed_at is not None
    assert removed_at >= office.signer.issued_s[0] * 1000


async def test_what_could_not_be_told_is_told_by_the_next_sweep(office: Office) -> None:
    calls = [await office.make(number) for number in (100, 101)]
    office.clock.now += limits.GROUP_CALL_LIFETIME_S_MAX * 1000
    office.bus.failures = 1
    with pytest.raises(Unavailable):
        await office.desk.sweep()
    assert await office.desk.sweep() == 2
    assert await office.desk.sweep() == 0
    assert office.bus.told == [GroupCallEnded(call=call) for call in calls]


async def test_ended_calls_are_forgotten_in_the_end(office: Office) -> None:
    call = await office.make()
    await office.desk.end(ANN, call)
    office.clock.now += RETENTION_MS - 1
    await office.desk.sweep()
    assert await office.records.group_calls.show(call) is not None
    office.clock.now += 1
    await office.desk.sweep()
    assert await office.records.group_calls.show(call) is None


async def test_the_end_can_be_repeated_when_telling_failed(office: Office) -> None:
    call = await office.make()
    office.bus.failures = 1
    with pytest.raises(Unavailable):
        await office.desk.end(ANN, call)
    await office.desk.end(ANN, call)
    assert office.bus.told == [GroupCallEnded(call=call)]


async def test_a_placement_of_a_dead_node_is_given_up_once(office: Office) -> None:
    call = await office.make()
    await office.registry.placements.place(call, "sfu-dead", DAY_MS)
    await office.announce("sfu-2")
    first = await office.desk.ticket(ANN, call, resources.NewJoinTicket())
    second = await office.desk.ticket(BOB, call, resources.NewJoinTicket())
    assert (first.node, second.node) == ("sfu-1", "sfu-1")
