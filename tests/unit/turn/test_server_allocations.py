"""Allocate and Refresh (RFC 8656 §7, §8), their limits and their ends."""

import pytest

from tests.unit.turn.memory_relay import (
    ANNA,
    BEN,
    EXTERNAL,
    PEER,
    UDP,
    MemoryRelay,
    error,
    lifetime,
    lifetime_s,
)
from turn import stun
from turn.settings import RelaySettings
from turn.stun import Attribute, Method

FAMILY = Attribute.REQUESTED_ADDRESS_FAMILY


@pytest.fixture
def relay() -> MemoryRelay:
    return MemoryRelay(RelaySettings())


def test_an_allocation_says_where_it_is(relay: MemoryRelay) -> None:
    client = relay.client()
    reply = client.allocate()
    attributes = reply.attributes
    relayed = stun.decode_xor_address(
        attributes[Attribute.XOR_RELAYED_ADDRESS], reply.transaction_id
    )
    mapped = stun.decode_xor_address(attributes[Attribute.XOR_MAPPED_ADDRESS], reply.transaction_id)
    assert relayed == (EXTERNAL, relay.ports.opened[0].address[1])
    assert mapped == client.source
    assert lifetime_s(reply) == 600
    assert relay.server.load == 1 / 4_000


def test_a_repeated_allocate_has_the_same_reply(relay: MemoryRelay) -> None:
    client = relay.client()
    request = client.signed(Method.ALLOCATE, UDP)
    assert client.tell(request) == client.tell(request)
    assert len(relay.ports.opened) == 1


def test_a_second_allocate_is_a_mismatch(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.allocate()) == 437
    other = relay.client(account=BEN)
    other.nonce = client.nonce
    assert error(other.allocate()) == 437
    assert len(relay.ports.opened) == 1


@pytest.mark.parametrize("what", ["refresh", "permit", "bind"])
def test_without_an_allocation_there_is_a_mismatch(relay: MemoryRelay, what: str) -> None:
    client = relay.client()
    asks = {
        "refresh": lambda: client.refresh(600),
        "permit": lambda: client.permit(PEER),
        "bind": lambda: client.bind(0x4000),
    }
    assert error(asks[what]()) == 437


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ([], 400),
        ([(Attribute.REQUESTED_TRANSPORT, b"\x11")], 400),
        ([(Attribute.REQUESTED_TRANSPORT, b"\x06\0\0\0")], 442),
        ([UDP, (FAMILY, b"\x01\0\0\0")], None),
        ([UDP, (FAMILY, b"\x02\0\0\0")], 440),
        ([UDP, (FAMILY, b"\x03\0\0\0")], 440),
        ([UDP, (FAMILY, b"\x01")], 400),
        ([UDP, (Attribute.ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")], 440),
        ([UDP, (FAMILY, b"\x01\0\0\0"), (Attribute.ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")], 400),
        ([UDP, (Attribute.EVEN_PORT, b"\0")], None),
        ([UDP, (Attribute.EVEN_PORT, b"\x7f")], None),
        ([UDP, (Attribute.EVEN_PORT, b"\x80")], 508),
        ([UDP, (Attribute.EVEN_PORT, b"\0\0")], 400),
        ([UDP, (Attribute.RESERVATION_TOKEN, bytes(8))], 508),
        ([UDP, (Attribute.RESERVATION_TOKEN, bytes(8)), (Attribute.EVEN_PORT, b"\0")], 400),
        ([UDP, (Attribute.DONT_FRAGMENT, b"")], 420),
        ([UDP, (Attribute.LIFETIME, b"\0\0\1")], 400),
    ],
)
def test_what_an_allocate_asks_for(
    relay: MemoryRelay, attributes: list[tuple[int, bytes]], code: int | None
) -> None:
    client = relay.client()
    assert error(client.ask(Method.ALLOCATE, *attributes)) == code
    assert len(relay.server.allocations) == (code is None)
    assert [port.closed for port in relay.ports.opened].count(False) == (code is None)


def test_an_even_port_is_even(relay: MemoryRelay) -> None:
    relay.client().allocate((Attribute.EVEN_PORT, b"\0"))
    assert relay.ports.opened[0].address[1] % 2 == 0


@pytest.mark.parametrize(
    ("wished", "given"), [(None, 600), (1, 600), (600, 600), (900, 900), (2**32 - 1, 3600)]
)
def test_lifetimes_are_between_the_default_and_the_maximum(
    relay: MemoryRelay, wished: int | None, given: int
) -> None:
    client = relay.client()
    more = [] if wished is None else [lifetime(wished)]
    assert lifetime_s(client.allocate(*more)) == given
    assert lifetime_s(client.refresh(wished)) == given


def test_an_allocation_that_nobody_refreshes_ends(relay: MemoryRelay) -> None:
    port = relay.client().allocated()
    relay.pass_s(599)
    assert not port.closed
    relay.pass_s(1)
    assert port.closed
    assert relay.server.counts.allocations == {"made": 1, "expired": 1}


def test_a_refresh_prolongs_and_zero_ends(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    relay.pass_s(500)
    assert lifetime_s(client.refresh()) == 600
    relay.pass_s(500)
    client.nonce = b""
    assert not port.closed
    assert lifetime_s(client.refresh(0)) == 0
    assert port.closed
    assert relay.server.counts.allocations["deleted"] == 1


def test_a_refresh_of_another_family_is_refused(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.refresh(0, (FAMILY, b"\x02\0\0\0"))) == 443
    assert error(client.refresh(600, (FAMILY, b"\x01\0\0\0"))) is None


def test_one_refresh_at_a_time_asks_the_registry(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    relay.deadlines.held = True
    request = client.signed(Method.REFRESH)
    assert client.tell(request) == client.tell(request) == []
    assert len(relay.deadlines.waiting) == 1
    assert relay.server.counts.dropped["refresh-pending"] == 1
    relay.deadlines.answer()
    assert error(stun.parse(relay.sent[-1][0])) is None
    assert client.tell(request) == []
    assert len(relay.deadlines.waiting) == 1


def test_an_answer_for_an_allocation_that_has_ended_does_nothing(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    relay.deadlines.held = True
    client.tell(client.signed(Method.REFRESH))
    client.refresh(0)
    client.allocated()
    before = len(relay.sent)
    relay.deadlines.answer()
    assert len(relay.sent) == before


def test_a_quota_is_486_and_comes_back() -> None:
    relay = MemoryRelay(RelaySettings(allocations_per_account_max=2))
    one, two, three = (relay.client(6000 + n) for n in range(3))
    assert [error(each.allocate()) for each in (one, two, three)] == [None, None, 486]
    assert error(relay.client(7000, BEN).allocate()) is None
    one.refresh(0)
    assert error(three.allocate()) is None
    relay.pass_s(600)
    assert [error(relay.client(6000 + n).allocate()) for n in range(3)] == [None, None, 486]


def test_an_address_has_a_quota() -> None:
    relay = MemoryRelay(RelaySettings(allocations_per_address_max=1))
    assert error(relay.client(6000, ANNA).allocate()) is None
    assert error(relay.client(6001, BEN).allocate()) == 486
    assert error(relay.client(6001, BEN, "11.1.1.2").allocate()) is None


def test_without_ports_there_is_no_capacity(relay: MemoryRelay) -> None:
    clients = [relay.client(6000 + n) for n in range(5)]
    assert [error(each.allocate()) for each in clients] == [None] * 4 + [508]
    clients[0].refresh(0)
    assert error(clients[4].allocate()) is None


def test_the_end_of_the_relay_ends_all(relay: MemoryRelay) -> None:
    ports = [relay.client(6000 + n).allocated() for n in range(3)]
    relay.server.end_all()
    assert all(port.closed for port in ports)
    assert relay.server.load == 0
