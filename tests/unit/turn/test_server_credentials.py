"""Who may ask: challenges, nonces, names, times (RFC 8489 §9.2.4)."""

import pytest

from tests.unit.turn.memory_relay import (
    ANNA,
    BEN,
    CALL,
    PEER,
    SECRET,
    UDP,
    MemoryRelay,
    error,
    lifetime_s,
)
from turn import stun
from turn.settings import RelaySettings
from turn.stun import Attribute, Class, Method


@pytest.fixture
def relay() -> MemoryRelay:
    return MemoryRelay(RelaySettings())


def test_a_stranger_is_challenged_and_not_remembered(relay: MemoryRelay) -> None:
    reply = relay.client().plain(Method.ALLOCATE, UDP)
    assert error(reply) == 401
    assert reply.attributes[Attribute.REALM] == b"ringline"
    assert set(reply.attributes) == {Attribute.ERROR_CODE, Attribute.REALM, Attribute.NONCE}
    assert len(reply.data) <= 2.5 * 36
    assert not relay.server.allocations
    assert relay.server.counts.refused["401"] == 1


def test_a_stale_nonce_is_replaced(relay: MemoryRelay) -> None:
    client = relay.client()
    client.credential(SECRET, ANNA, allocate_s=1_000)
    client.signed(Method.ALLOCATE)
    relay.pass_s(600)
    reply = client.allocate()
    assert error(reply) == 438
    client.nonce = reply.attributes[Attribute.NONCE]
    assert error(client.allocate()) is None


def test_a_nonce_of_another_source_is_stale(relay: MemoryRelay) -> None:
    one, two = relay.client(6000), relay.client(6001)
    one.signed(Method.ALLOCATE)
    two.nonce = one.nonce
    assert error(two.allocate()) == 438


def test_a_wrong_password_is_a_challenge_on_the_budget() -> None:
    relay = MemoryRelay(RelaySettings(challenges_per_source_s=4))
    client = relay.client()
    client.credential("another secret", ANNA)
    request = client.signed(Method.ALLOCATE, UDP)
    replies = [reply for _ in range(10) for reply in client.tell(request)]
    assert len(replies) == 3
    assert {error(stun.parse(each)) for each in replies} == {401}
    assert relay.server.budget.dropped == 7


def test_who_is_known_needs_no_budget() -> None:
    relay = MemoryRelay(RelaySettings(challenges_per_source_s=1))
    client = relay.client()
    client.allocated()
    assert [error(client.permit(PEER)) for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("method", [Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND])
def test_every_method_asks_who(relay: MemoryRelay, method: Method) -> None:
    assert error(relay.client().plain(method)) == 401


@pytest.mark.parametrize("missing", [Attribute.USERNAME, Attribute.REALM, Attribute.NONCE])
def test_integrity_without_its_companions_is_bad(relay: MemoryRelay, missing: Attribute) -> None:
    client = relay.client()
    attributes = stun.parse(client.signed(Method.ALLOCATE, UDP)).attributes
    rest = [
        (k, v) for k, v in attributes.items() if k not in (missing, Attribute.MESSAGE_INTEGRITY)
    ]
    [reply] = client.tell(stun.encode(Method.ALLOCATE, 0, bytes(12), rest, key=client.key))
    assert error(stun.parse(reply)) == 400


@pytest.mark.parametrize("method", [Method.SEND, Method.DATA, 0x00A, 0xFFF])
def test_a_method_that_is_none_is_bad(relay: MemoryRelay, method: int) -> None:
    assert error(relay.client().plain(method)) == 400


@pytest.mark.parametrize("username", ["", "x", "1:2:3:4", "é", "a" * 600])
def test_a_name_of_another_form_is_nobodys(relay: MemoryRelay, username: str) -> None:
    client = relay.client()
    client.username = username
    assert error(client.allocate()) == 401


def test_a_former_secret_is_still_taken() -> None:
    relay = MemoryRelay(RelaySettings(), ("new", SECRET))
    assert error(relay.client().allocate()) is None
    fresh = relay.client(6001)
    fresh.credential("new", ANNA)
    assert error(fresh.allocate()) is None


@pytest.mark.parametrize("secrets", [(), ("",), ("good", "")])
def test_without_a_secret_there_is_no_relay(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="secret"):
        MemoryRelay(RelaySettings(), secrets)


def test_what_is_not_understood_is_named(relay: MemoryRelay) -> None:
    reply = relay.client().allocate((0x7001, b""), (Attribute.DONT_FRAGMENT, b""), (0x8999, b""))
    assert error(reply) == 420
    assert reply.attributes[Attribute.UNKNOWN_ATTRIBUTES] == bytes.fromhex("7001001a")


def test_a_reply_is_signed_and_has_a_fingerprint_if_the_request_has(relay: MemoryRelay) -> None:
    client = relay.client()
    reply = client.allocate()
    assert reply.is_authentic(client.key)
    assert Attribute.FINGERPRINT not in reply.attributes
    refused = client.permit(("10.0.0.1", 1))
    assert (error(refused), refused.is_authentic(client.key)) == (403, True)
    asked = stun.encode(Method.BINDING, Class.REQUEST, bytes(12), fingerprint=True)
    [answered] = client.tell(asked)
    assert Attribute.FINGERPRINT in stun.parse(answered).attributes


def test_a_binding_request_needs_nobody(relay: MemoryRelay) -> None:
    client = relay.client()
    reply = client.plain(Method.BINDING)
    value = reply.attributes[Attribute.XOR_MAPPED_ADDRESS]
    assert stun.decode_xor_address(value, reply.transaction_id) == client.source
    assert error(client.plain(Method.BINDING, (0x7001, b""))) == 420


def test_nothing_is_allocated_past_its_time(relay: MemoryRelay) -> None:
    client = relay.client()
    client.credential(SECRET, ANNA, allocate_s=10)
    relay.pass_s(9)
    assert error(client.allocate()) is None
    other = relay.client(6001)
    other.username, other.password = client.username, client.password
    relay.pass_s(1)
    assert error(other.allocate()) == 401
    assert error(client.refresh(600)) is None


@pytest.mark.parametrize("what", ["refresh", "permit", "bind"])
def test_nothing_is_prolonged_past_its_time(relay: MemoryRelay, what: str) -> None:
    client = relay.client()
    client.credential(SECRET, ANNA, allocate_s=10, refresh_s=20)
    client.allocated()
    relay.pass_s(20)
    asks = {
        "refresh": lambda: client.refresh(600),
        "permit": lambda: client.permit(PEER),
        "bind": lambda: client.bind(0x4000),
    }
    assert error(asks[what]()) == 401
    assert error(client.refresh(0)) is None


def test_a_call_that_ended_is_refreshed_no_more(relay: MemoryRelay) -> None:
    client = relay.client()
    client.allocated()
    relay.deadlines.until[CALL] = int(relay.utc_s * 1000) + 1_000
    assert lifetime_s(client.refresh()) == 600
    relay.pass_s(1)
    assert error(client.refresh()) == 401
    relay.pass_s(599)
    assert not relay.server.allocations


@pytest.mark.parametrize("what", ["refresh", "permit", "bind"])
def test_another_user_has_no_say(relay: MemoryRelay, what: str) -> None:
    owner, other = relay.client(), relay.client(account=BEN)
    port = owner.allocated()
    other.nonce = owner.nonce
    asks = {
        "refresh": lambda: other.refresh(0),
        "permit": lambda: other.permit(PEER),
        "bind": lambda: other.bind(0x4000),
    }
    assert error(asks[what]()) == 441
    assert not port.closed
    assert not relay.server.allocations[owner.source].permissions
