from uuid import uuid4

import pytest

from backplane.bus.ports import (
    AnyBusMessage,
    Displaced,
    GroupCallEnded,
    MemberRemoved,
    PresenceChanged,
    Revoked,
    TypingRelayed,
    Wake,
)
from ringline.protocol.types import Address, PresenceState, TypingState
from tests.contract.bus.conftest import MakeStation, Station, until

PHONE = Address(uuid4(), 1)
EVERY_KIND: list[AnyBusMessage] = [
    Wake(addresses=[PHONE, Address(uuid4(), 127)]),
    Displaced(address=PHONE, fence=1_795_000_123_456_789),
    Revoked(addresses=[PHONE], replaced=True),
    PresenceChanged(account=PHONE.account, state=PresenceState.OFFLINE, last_seen=None),
    TypingRelayed(recipient=uuid4(), sender=PHONE, conversation=uuid4(), state=TypingState.STARTED),
    MemberRemoved(call=uuid4(), account=uuid4()),
    GroupCallEnded(call=uuid4()),
]


async def started(make_station: MakeStation, *nodes: str) -> list[Station]:
    stations = [make_station() for _ in nodes]
    for node, station in zip(nodes, stations, strict=True):
        await station.start(node)
        await until(lambda station=station: station.gaps == 1)  # type: ignore[misc]
    return stations


@pytest.mark.parametrize("message", EVERY_KIND, ids=lambda message: type(message).__name__)
async def test_every_kind_arrives_as_it_was(
    make_station: MakeStation, message: AnyBusMessage
) -> None:
    a, b = await started(make_station, "a", "b")
    await a.bus.tell(["b"], message)
    assert await b.hears(1) == [message]


async def test_only_the_named_nodes_hear(make_station: MakeStation) -> None:
    a, b, c = await started(make_station, "a", "b", "c")
    await a.bus.tell(["b", "c", "b", "nobody"], EVERY_KIND[0])
    await a.bus.tell_all(EVERY_KIND[2])
    assert await a.hears(1) == [EVERY_KIND[2]]
    assert await b.hears(2) == [EVERY_KIND[0], EVERY_KIND[2]]
    assert await c.hears(2) == [EVERY_KIND[0], EVERY_KIND[2]]


async def test_a_node_may_tell_itself_and_no_one(make_station: MakeStation) -> None:
    (a,) = await started(make_station, "a")
    await a.bus.tell([], EVERY_KIND[0])
    await a.bus.tell(["a"], EVERY_KIND[1])
    assert await a.hears(1) == [EVERY_KIND[1]]


async def test_messages_of_one_sender_keep_their_order(make_station: MakeStation) -> None:
    a, b = await started(make_station, "a", "b")
    sent = [Displaced(address=PHONE, fence=fence) for fence in range(300)]
    for message in sent:
        await a.bus.tell(["b"], message)
    assert await b.hears(300) == sent
    assert a.count("bus_messages", direction="out") == 300
    assert b.count("bus_messages", direction="in") == 300


async def test_a_start_is_a_gap(make_station: MakeStation) -> None:
    (a,) = await started(make_station, "a")
    assert a.count("bus_gaps") == 1


async def test_a_failing_callback_costs_its_message_alone(make_station: MakeStation) -> None:
    a, b = make_station(), make_station()
    heard: list[AnyBusMessage] = []

    def fail_once(message: AnyBusMessage) -> None:
        heard.append(message)
        if len(heard) == 1:
            raise KeyError("a mistake of ours")

    await a.start("a")
    await b.bus.start("b", fail_once, b.gap)
    for message in EVERY_KIND[:2]:
        await a.bus.tell(["b"], message)
    await until(lambda: len(heard) == 2)
    assert b.count("bus_dropped", reason="callback") == 1


async def test_who_has_left_hears_nothing(make_station: MakeStation) -> None:
    a, b = await started(make_station, "a", "b")
    await b.bus.shut()
    await a.bus.tell(["a", "b"], EVERY_KIND[0])
    await a.hears(1)
    assert b.heard == []
