"""Permissions, channels and what crosses the relay (RFC 8656 §9 … §12), sans sockets."""

import pytest

from tests.unit.turn.memory_relay import BEN, EXTERNAL, HOST, PEER, MemoryRelay, error
from turn import stun
from turn.settings import RelaySettings
from turn.stun import Attribute, Class, Method

OTHER = ("11.2.3.5", 7000)


@pytest.fixture
def relay() -> MemoryRelay:
    return MemoryRelay(RelaySettings())


def data_of(datagram: bytes) -> tuple[stun.Address, bytes]:
    message = stun.parse(datagram)
    assert (message.method, message.kind) == (Method.DATA, Class.INDICATION)
    value = message.attributes[Attribute.XOR_PEER_ADDRESS]
    peer = stun.decode_xor_address(value, message.transaction_id)
    return peer, message.attributes[Attribute.DATA]


def test_data_goes_out_only_to_whom_it_is_permitted(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    client.send(b"early")
    assert error(client.permit(PEER)) is None
    client.send(b"hello")
    client.send(b"", (PEER[0], 7001))
    client.send(b"elsewhere", OTHER)
    assert port.sent == [(b"hello", PEER), (b"", (PEER[0], 7001))]
    assert relay.server.counts.dropped["no-permission"] == 2
    assert relay.server.counts.packets["to_peer"] == 2
    assert relay.server.counts.octets["to_peer"] == 5


def test_data_comes_in_only_from_whom_it_is_permitted(relay: MemoryRelay) -> None:
    client = relay.client()
    number = client.allocated().address[1]
    client.permit(PEER)
    before = len(relay.sent)
    relay.from_peer(b"no", number, OTHER)
    relay.from_peer(b"yes", number)
    relay.from_peer(b"lost", 1)
    [(datagram, to)] = relay.sent[before:]
    assert to == client.source
    assert data_of(datagram) == (PEER, b"yes")
    assert relay.server.counts.packets["to_client"] == 1


def test_indications_have_transaction_ids_of_their_own(relay: MemoryRelay) -> None:
    client = relay.client()
    number = client.allocated().address[1]
    client.permit(PEER)
    for _ in range(3):
        relay.from_peer(b"x", number)
    assert len({stun.parse(each).transaction_id for each, _ in relay.sent[-3:]}) == 3


def test_a_permission_ends(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    client.permit(PEER)
    relay.pass_s(299)
    client.send(b"in time")
    client.permit(PEER)
    relay.pass_s(299)
    client.send(b"renewed")
    relay.pass_s(1)
    client.send(b"late")
    relay.from_peer(b"late", port.address[1])
    assert [data for data, _ in port.sent] == [b"in time", b"renewed"]


def test_permissions_are_limited_and_ended_ones_make_room() -> None:
    relay = MemoryRelay(RelaySettings(permissions_per_allocation_max=2))
    client = relay.client()
    client.allocated()
    peers = [(f"11.3.0.{n}", 1) for n in range(4)]
    assert error(client.permit(*peers[:2])) is None
    assert error(client.permit(peers[2])) == 508
    assert error(client.permit(peers[0])) is None
    assert error(client.bind(0x4000, peers[2])) == 508
    assert not relay.server.allocations[client.source].channels
    relay.pass_s(300)
    assert error(client.permit(peers[2], peers[3])) is None


def test_a_permission_needs_a_peer(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.permit()) == 400
    bad = (Attribute.XOR_PEER_ADDRESS, b"\0\1\0")
    assert error(client.ask(Method.CREATE_PERMISSION, bad)) == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "0.0.0.0", "::ffff:127.0.0.1", "::1"])
def test_one_forbidden_peer_refuses_all(relay: MemoryRelay, host: str) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.permit(PEER, (host, 1))) == 403
    assert error(client.bind(0x4000, (host, 1))) == 403
    assert not relay.server.allocations[client.source].permissions


def test_a_peer_of_another_family_is_a_mismatch(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.permit(("2600::1", 1))) == 443


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (0x3FFF, 400),
        (0x4000, None),
        (0x4FFF, None),
        (0x5000, 400),
        (0x7FFF, 400),
        (0xFFFF, 400),
        (0, 400),
    ],
)
def test_channel_numbers_have_a_range(relay: MemoryRelay, number: int, code: int | None) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.bind(number)) == code


def test_a_number_has_one_peer_and_a_peer_one_number(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    assert error(client.bind(0x4000)) is None
    assert error(client.bind(0x4000)) is None
    assert error(client.bind(0x4000, OTHER)) == 400
    assert error(client.bind(0x4001)) == 400
    assert error(client.bind(0x4001, OTHER)) is None
    assert error(client.bind(0x4002, (PEER[0], 0))) == 400


def test_channels_are_limited_and_ended_ones_make_room() -> None:
    relay = MemoryRelay(RelaySettings(channels_per_allocation_max=1))
    client = relay.client()
    client.allocated()
    assert error(client.bind(0x4000)) is None
    assert error(client.bind(0x4001, OTHER)) == 508
    client.refresh(1_200)
    relay.pass_s(599)
    client.nonce = b""
    assert error(client.bind(0x4001, OTHER)) == 508
    relay.pass_s(1)
    client.nonce = b""
    assert error(client.bind(0x4001, OTHER)) is None
    assert error(client.bind(0x4001, PEER)) == 400


def test_a_channel_carries_both_ways(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    client.bind(0x4ABC)
    client.channel(0x4ABC, b"out")
    client.channel(0x4ABC, b"")
    relay.from_peer(b"in", port.address[1])
    relay.from_peer(b"same host", port.address[1], (PEER[0], 9))
    assert port.sent == [(b"out", PEER), (b"", PEER)]
    assert relay.sent[-2][0] == b"\x4a\xbc\x00\x02in"
    assert data_of(relay.sent[-1][0]) == ((PEER[0], 9), b"same host")


def test_a_channel_ends_and_its_permission_before_it(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    client.bind(0x4000)
    relay.pass_s(300)
    client.channel(0x4000, b"no permission")
    client.refresh()
    client.permit(PEER)
    client.channel(0x4000, b"yes")
    relay.pass_s(299)
    client.permit(PEER)
    relay.pass_s(1)
    client.channel(0x4000, b"no channel")
    relay.from_peer(b"as data", port.address[1])
    assert [data for data, _ in port.sent] == [b"yes"]
    assert data_of(relay.sent[-1][0]) == (PEER, b"as data")
    assert relay.server.counts.dropped["no-permission"] == 1
    assert relay.server.counts.dropped["no-channel"] == 1


@pytest.mark.parametrize(
    ("datagram", "sent", "reason"),
    [
        (b"\x40", None, "malformed"),
        (b"\x40\x00\x00", None, "malformed"),
        (b"\x40\x00\x00\x03ab", None, "malformed"),
        (b"\x40\x00\xff\xffab", None, "malformed"),
        (b"\x40\x00\x00\x02ab\0\0", b"ab", None),
        (b"\x40\x01\x00\x02ab", None, "no-channel"),
        (b"\x4f\xff\x00\x00", None, "no-channel"),
    ],
)
def test_the_length_of_channel_data(
    relay: MemoryRelay, datagram: bytes, sent: bytes | None, reason: str | None
) -> None:
    client = relay.client()
    port = client.allocated()
    client.bind(0x4000)
    client.tell(datagram)
    assert [data for data, _ in port.sent] == ([] if sent is None else [sent])
    assert dict(relay.server.counts.dropped) == ({} if reason is None else {reason: 1})


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "malformed"),
        (b"\x80" * 30, "malformed"),
        (b"\x40\x00\x00\x00", "no-allocation"),
        (stun.encode(Method.SEND, Class.INDICATION, bytes(12)), "no-allocation"),
        (stun.encode(Method.BINDING, Class.INDICATION, bytes(12)), "indication"),
        (stun.encode(Method.ALLOCATE, Class.SUCCESS, bytes(12)), "response"),
        (stun.encode(Method.ALLOCATE, Class.ERROR, bytes(12)), "response"),
    ],
)
def test_what_a_stranger_sends_is_counted(relay: MemoryRelay, datagram: bytes, reason: str) -> None:
    assert relay.client().tell(datagram) == []
    assert dict(relay.server.counts.dropped) == {reason: 1}


def test_an_indication_that_lacks_something_is_dropped(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    client.permit(PEER)
    address = (Attribute.XOR_PEER_ADDRESS, stun.encode_xor_address(PEER, bytes(12)))
    for attributes in (
        [address],
        [(Attribute.DATA, b"x")],
        [(Attribute.XOR_PEER_ADDRESS, b"short"), (Attribute.DATA, b"x")],
        [address, (Attribute.DATA, b"x"), (Attribute.DONT_FRAGMENT, b"")],
    ):
        client.tell(stun.encode(Method.SEND, Class.INDICATION, bytes(12), attributes))
    assert port.sent == []
    assert dict(relay.server.counts.dropped) == {"indication": 3, "malformed": 1}


def test_what_the_system_does_not_take_is_counted(relay: MemoryRelay) -> None:
    client = relay.client()
    port = client.allocated()
    client.permit(PEER)
    port.takes = relay.takes = False
    client.send(b"x")
    client.send(b"x", (PEER[0], 0))
    relay.from_peer(b"x", port.address[1])
    assert relay.server.counts.dropped["unsent"] == 3
    assert relay.server.counts.packets == {"to_peer": 0, "to_client": 0}


@pytest.mark.parametrize("host", [EXTERNAL, "11.0.0.2"])
def test_own_ports_that_are_no_allocation_are_out_of_reach(relay: MemoryRelay, host: str) -> None:
    client = relay.client()
    port = client.allocated()
    assert error(client.permit((host, 1))) is None
    client.send(b"x", (host, 6379))
    assert error(client.bind(0x4000, (host, 6379))) == 403
    relay.from_peer(b"x", port.address[1], (host, 6379))
    assert relay.server.counts.dropped["own-port"] == 3
    assert port.sent == []


def test_an_address_that_becomes_the_machines_own_is_out_of_reach_at_once(
    relay: MemoryRelay,
) -> None:
    client = relay.client()
    port = client.allocated()
    client.bind(0x4000)
    relay.server.owns([PEER[0]])
    client.channel(0x4000, b"x")
    client.send(b"x")
    relay.from_peer(b"x", port.address[1])
    assert port.sent == []
    assert relay.server.counts.dropped["own-port"] == 3
    relay.server.owns([])
    client.channel(0x4000, b"x")
    assert port.sent == [(b"x", PEER)]


@pytest.mark.parametrize("by_channel", [False, True])
def test_two_clients_meet_at_their_relayed_addresses(relay: MemoryRelay, by_channel: bool) -> None:
    anna, ben = relay.client(6000), relay.client(6001, BEN)
    ports = anna.allocated(), ben.allocated()
    at = [(EXTERNAL, port.address[1]) for port in ports]
    assert error(ben.permit(at[0])) is None
    if by_channel:
        assert error(anna.bind(0x4000, at[1])) is None
        anna.channel(0x4000, b"hello")
    else:
        anna.permit(at[1])
        anna.send(b"hello", at[1])
    # By the bound address, whatever the clients are told.
    assert ports[0].sent == [(b"hello", (HOST, at[1][1]))]
    before = len(relay.sent)
    relay.from_peer(b"hello", at[1][1], (HOST, at[0][1]))
    [(datagram, to)] = relay.sent[before:]
    assert (to, data_of(datagram)) == (ben.source, (at[0], b"hello"))
    assert ports[1].sent == []


def test_a_relayed_address_that_has_ended_is_out_of_reach(relay: MemoryRelay) -> None:
    anna, ben = relay.client(6000), relay.client(6001, BEN)
    port, other = anna.allocated(), ben.allocated()
    anna.bind(0x4000, (EXTERNAL, other.address[1]))
    ben.refresh(0)
    anna.channel(0x4000, b"x")
    anna.send(b"x", (EXTERNAL, other.address[1]))
    assert port.sent == []
    assert relay.server.counts.dropped["own-port"] == 2
