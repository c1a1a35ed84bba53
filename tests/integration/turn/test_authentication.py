"""Who may use the relay, for how long, and what everybody else hears (T5, T6, T11)."""

import time
from uuid import uuid4

import pytest

from tests.integration.turn import wire
from tests.integration.turn.client import Client
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.credentials import Credential, credential, sign
from tests.integration.turn.relay import Relay
from tests.integration.turn.wire import Attr, Kind, Message, Method

ALLOCATE = [(int(Attr.REQUESTED_TRANSPORT), wire.UDP)]


def assert_challenge(reply: Message, error: int = 401) -> None:
    """RFC 8489 §9.2.4: with a realm and a nonce, and unsigned: the server knows no key."""
    assert reply.error == error
    assert reply.need(Attr.REALM)
    assert reply.need(Attr.NONCE)
    assert reply.get(Attr.MESSAGE_INTEGRITY) is None


async def test_without_credentials_there_is_a_challenge(relay: Relay) -> None:
    client = await relay.client()
    for method in (
        Method.ALLOCATE,
        Method.REFRESH,
        Method.CREATE_PERMISSION,
        Method.CHANNEL_BIND,
    ):
        request = wire.encode(method, Kind.REQUEST, ALLOCATE, transaction=wire.new_transaction())
        assert_challenge(await client.exchange(request))


@pytest.mark.parametrize("wrong", ["password", "user", "secret", "realm", "integrity"])
async def test_wrong_credentials_are_challenged_again(relay: Relay, wrong: str) -> None:
    client = await relay.client()
    await client.challenge()
    good = client.credential
    match wrong:
        case "password":
            request = client.signed(
                Method.ALLOCATE, ALLOCATE, credential=Credential(good.username, "guess")
            )
        case "user":
            request = client.signed(Method.ALLOCATE, ALLOCATE, credential=sign("somebody"))
        case "secret":
            forged = sign(good.username, "another secret")
            request = client.signed(Method.ALLOCATE, ALLOCATE, credential=forged)
        case "realm":
            request = client.signed(Method.ALLOCATE, ALLOCATE, realm="elsewhere")
        case _:
            request = client.signed(Method.ALLOCATE, ALLOCATE)
            request = request[:-1] + bytes([request[-1] ^ 1])
    assert_challenge(await client.exchange(request))
    await client.allocated()


@pytest.mark.parametrize(
    "username",
    [
        "",
        ":::",
        "9999999999:9999999999:x:y",
        "9999999999",
        "-1:9999999999:{}:{}",
        "9999999999:9999999999:{}:{}:more",
        "９９９９９９９９９９:9999999999:{}:{}",
        " 9999999999:9999999999:{}:{}",
        "9999999999:9999999999:{}:{}\0",
        "1e12:9999999999:{}:{}",
    ],
)
async def test_a_signed_name_of_another_form_is_refused(relay: Relay, username: str) -> None:
    """Even with the right secret: nothing but the gateway's own form is taken."""
    client = await relay.client(who=sign(username.format(uuid4(), uuid4())))
    assert (await client.allocate()).error in (400, 401)


@pytest.mark.parametrize("missing", [Attr.USERNAME, Attr.REALM, Attr.NONCE])
async def test_integrity_without_its_companions_is_a_bad_request(
    relay: Relay, missing: Attr
) -> None:
    client = await relay.client()
    await client.challenge()
    full = wire.decode(client.signed(Method.ALLOCATE, ALLOCATE))
    kept = [a for a in full.attributes if a[0] not in (missing, Attr.MESSAGE_INTEGRITY)]
    request = wire.encode(
        Method.ALLOCATE, Kind.REQUEST, kept, transaction=full.transaction, key=client.key
    )
    assert (await client.exchange(request)).error == 400


async def test_attributes_after_the_integrity_count_for_nothing(relay: Relay) -> None:
    """RFC 8489 §14.5: only FINGERPRINT may follow. An unsigned LIFETIME of 0 would end the allocation."""
    client = await relay.client()
    await client.allocated()
    signed = client.signed(Method.REFRESH)
    late = wire.attribute(Attr.LIFETIME, (0).to_bytes(4, "big"))
    request = signed[:2] + (len(signed) - 20 + len(late)).to_bytes(2, "big") + signed[4:] + late
    reply = await client.exchange(request)
    assert reply.kind is Kind.SUCCESS
    assert reply.lifetime_s > 0
    assert (await client.refresh(600)).kind is Kind.SUCCESS


async def test_the_first_of_two_attributes_counts(relay: Relay) -> None:
    client, peer = await relay.client(), await relay.peer()
    await client.allocated()
    first, second = ((int(Attr.LIFETIME), s.to_bytes(4, "big")) for s in (500, 0))
    reply = await client.ask(Method.REFRESH, [first, second])
    assert reply.lifetime_s > 0
    transaction = wire.new_transaction()
    stranger = ("127.0.0.1", 9)
    peers = [
        (int(Attr.XOR_PEER_ADDRESS), wire.address(each, transaction))
        for each in (peer.host, stranger)
    ]
    number = (int(Attr.CHANNEL_NUMBER), wire.channel_number(0x4000))
    request = client.signed(Method.CHANNEL_BIND, [number, *peers], transaction=transaction)
    assert (await client.exchange(request)).kind is Kind.SUCCESS
    client.send_channel(0x4000, b"to the first")
    assert (await peer.receive())[0] == b"to the first"


async def test_another_user_cannot_touch_an_allocation(relay: Relay) -> None:
    """441 from the same 5-tuple with good credentials of somebody else (RFC 8656 §5)."""
    ann, peer = await relay.client(), await relay.peer()
    relayed = await ann.allocated()
    assert (await ann.permit(peer.host)).kind is Kind.SUCCESS
    mine, ann.credential = ann.credential, credential()
    assert (await ann.refresh(0)).error == 441
    assert (await ann.permit(("11.0.0.9", 1))).error == 441
    assert (await ann.bind(0x4000, peer.host)).error == 441
    ann.credential = mine
    peer.send(b"still there", relayed)
    assert await ann.data() == (peer.host, b"still there")
    assert (await ann.refresh(600)).kind is Kind.SUCCESS


async def test_a_second_allocation_of_a_5_tuple_is_a_mismatch(relay: Relay) -> None:
    client = await relay.client()
    await client.allocated()
    assert (await client.allocate()).error == 437
    assert (await client.allocate(credential=credential())).error in (437, 441)
    assert (await client.refresh(600)).kind is Kind.SUCCESS


async def test_without_an_allocation_there_is_a_mismatch(relay: Relay) -> None:
    client, peer = await relay.client(), await relay.peer()
    assert (await client.refresh(600)).error == 437
    assert (await client.permit(peer.host)).error == 437
    assert (await client.bind(0x4000, peer.host)).error == 437


async def test_a_retransmitted_allocate_is_answered_as_before(relay: Relay) -> None:
    """RFC 8656 §7.2: the reply may have been lost; the same transaction is no second allocation."""
    client = await relay.client()
    await client.challenge()
    request = client.signed(Method.ALLOCATE, ALLOCATE)
    first, second = [await client.exchange(request) for _ in range(2)]
    assert second.kind is Kind.SUCCESS
    assert second.need(Attr.XOR_RELAYED_ADDRESS) == first.need(Attr.XOR_RELAYED_ADDRESS)


async def test_a_nonce_is_good_for_one_source_only(relay: Relay) -> None:
    ann, eve = await relay.client(), await relay.client()
    await ann.challenge()
    eve.realm = ann.realm
    request = eve.signed(Method.ALLOCATE, ALLOCATE, nonce=ann.nonce)
    assert_challenge(await eve.exchange(request), 438)


async def test_a_nonce_is_not_made_up(relay: Relay) -> None:
    client = await relay.client()
    await client.challenge()
    changed = [
        client.nonce[:n] + bytes([client.nonce[n] ^ 1]) + client.nonce[n + 1 :]
        for n in range(len(client.nonce))
    ]
    for nonce in (*changed, b"", b"x", b"\xff" * 40, client.nonce + b"x", client.nonce[:-1]):
        reply = await client.exchange(client.signed(Method.ALLOCATE, ALLOCATE, nonce=nonce))
        assert reply.error in (400, 438), nonce


async def test_an_expired_nonce_costs_one_retry(start_relay: StartRelay) -> None:
    relay = start_relay(nonce_lifetime_s=1)
    client = await relay.client()
    await client.challenge()
    while True:
        reply = await client.exchange(client.signed(Method.REFRESH))
        if reply.error != 437:
            break
    assert_challenge(reply, 438)
    client.nonce = reply.need(Attr.NONCE)
    reply = await client.exchange(client.signed(Method.ALLOCATE, ALLOCATE))
    assert reply.kind is Kind.SUCCESS


async def test_a_nonce_from_before_a_restart_costs_one_retry(start_relay: StartRelay) -> None:
    relay = start_relay()
    client = await relay.client()
    await client.allocated()
    relay.kill()
    relay.start()
    assert_challenge(await client.exchange(client.signed(Method.ALLOCATE, ALLOCATE)), 438)
    await client.allocated()


async def test_a_credential_past_its_allocate_time_allocates_nothing(relay: Relay) -> None:
    client = await relay.client(who=credential(allocate_s=-1))
    assert_challenge(await client.allocate())


async def test_an_allocation_is_refreshed_after_the_allocate_time(relay: Relay) -> None:
    client = await relay.client(who=credential(allocate_s=2))
    await client.allocated()
    while (await another(relay, client)).error != 401:
        assert (await client.refresh(600)).kind is Kind.SUCCESS
    assert (await client.refresh(600)).kind is Kind.SUCCESS


async def another(relay: Relay, client: Client) -> Message:
    """An Allocate from a new 5-tuple with the same credential, taken back if it succeeds."""
    more = await relay.client(who=client.credential)
    reply = await more.allocate()
    if reply.kind is Kind.SUCCESS:
        assert (await more.refresh(0)).kind is Kind.SUCCESS
    more.close()
    return reply


async def test_nothing_is_refreshed_past_the_refresh_time(start_relay: StartRelay) -> None:
    relay = start_relay(allocation_lifetime_s=2, allocation_lifetime_s_max=2)
    client, peer = await relay.client(who=credential(refresh_s=2)), await relay.peer()
    await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    while (reply := await client.refresh(2)).error is None:
        assert reply.lifetime_s <= 2
    assert_challenge(reply)
    assert (await client.permit(peer.host)).error == 401
    assert (await client.bind(0x4000, peer.host)).error == 401
    await ends(client)


async def ends(client: Client) -> None:
    """Within its lifetime: then the 5-tuple is free for another user's allocation."""
    client.credential = credential()
    until = time.monotonic() + 30
    while (reply := await client.allocate()).error in (437, 441):
        assert time.monotonic() < until
    assert reply.kind is Kind.SUCCESS


async def test_a_call_that_ended_is_refreshed_no_more(start_relay: StartRelay) -> None:
    relay = start_relay(allocation_lifetime_s=2, allocation_lifetime_s_max=2)
    call, other_call = uuid4(), uuid4()
    client = await relay.client(who=credential(call=call))
    other = await relay.client(who=credential(call=other_call))
    await client.allocated()
    await other.allocated()
    relay.deadline(call, time.time() + 600)
    assert (await client.refresh(2)).kind is Kind.SUCCESS
    relay.deadline(call, time.time() - 1)
    assert (await client.refresh(2)).error == 401
    assert (await other.refresh(2)).kind is Kind.SUCCESS
    while (await client.permit(("11.0.0.9", 1))).error is None:
        assert (await other.refresh(2)).kind is Kind.SUCCESS
    assert (await other.refresh(2)).kind is Kind.SUCCESS


async def test_a_refused_refresh_may_still_delete(relay: Relay) -> None:
    """Ending an allocation of a call that is over is what the client should do."""
    call = uuid4()
    client = await relay.client(who=credential(call=call))
    await client.allocated()
    relay.deadline(call, time.time() - 1)
    assert (await client.refresh(600)).error == 401
    assert (await client.refresh(0)).kind is Kind.SUCCESS
    assert (await client.refresh(0)).error in (437, None)
