"""How many allocations one may have, and that every one that ends is given back (T9)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from tests.integration.turn.client import Client
from tests.integration.turn.conftest import StartRelay
from tests.integration.turn.credentials import credential
from tests.integration.turn.networks import NODE, WORLD, Networks
from tests.integration.turn.relay import ROOMY, Relay
from tests.integration.turn.wire import Kind

QUOTA = 10


async def of_one_account(relay: Relay, count: int) -> list[Client]:
    """Each from a port of its own and for a call of its own."""
    account = uuid4()
    return [await relay.client(who=credential(account=account)) for _ in range(count)]


async def outcomes(clients: Sequence[Client]) -> "Counter[int | None]":
    """Error codes (None: success), all asked at once."""
    replies = await asyncio.gather(*(client.allocate() for client in clients))
    return Counter(reply.error for reply in replies)


async def test_an_account_gets_its_quota_and_gets_it_back(start_relay: StartRelay) -> None:
    relay = start_relay(allocations_per_account_max=QUOTA, **ROOMY)
    clients = await of_one_account(relay, QUOTA * 10)
    for _ in range(3):
        assert await outcomes(clients) == {None: QUOTA, 486: QUOTA * 9}
        deleted = await asyncio.gather(*(client.refresh(0) for client in clients))
        assert Counter(reply.error for reply in deleted)[None] == QUOTA
    stranger = await relay.client()
    await stranger.allocated()


async def test_the_quota_comes_back_with_expiry(start_relay: StartRelay) -> None:
    relay = start_relay(
        allocations_per_account_max=QUOTA,
        allocation_lifetime_s=2,
        allocation_lifetime_s_max=2,
        **ROOMY,
    )
    clients = await of_one_account(relay, QUOTA * 2)
    assert await outcomes(clients) == {None: QUOTA, 486: QUOTA}
    later = [await relay.client(who=client.credential) for client in clients]
    async with asyncio.timeout(30):
        while (seen := await outcomes(later[:1])) != {None: 1}:
            assert seen == {486: 1}
            await asyncio.sleep(0.1)
    assert (await outcomes(later[1:QUOTA]))[None] == QUOTA - 1


async def test_the_quota_comes_back_with_a_crash(start_relay: StartRelay) -> None:
    relay = start_relay(allocations_per_account_max=QUOTA)
    clients = await of_one_account(relay, QUOTA * 2)
    assert await outcomes(clients) == {None: QUOTA, 486: QUOTA}
    relay.kill()
    relay.start()
    assert await outcomes(clients) == {None: QUOTA, 486: QUOTA}


async def test_an_address_gets_its_quota(start_relay: StartRelay) -> None:
    """Of however many accounts; another address has one of its own."""
    relay = start_relay(allocations_per_address_max=QUOTA, **ROOMY)
    clients = [await relay.client(WORLD) for _ in range(QUOTA * 3)]
    assert await outcomes(clients) == {None: QUOTA, 486: QUOTA * 2}
    elsewhere = [await relay.client("11.1.2.3") for _ in range(QUOTA)]
    assert await outcomes(elsewhere) == {None: QUOTA}
    await asyncio.gather(*(client.refresh(0) for client in clients))
    assert await outcomes(clients) == {None: QUOTA, 486: QUOTA * 2}


async def test_the_relay_as_a_whole_has_a_limit(start_relay: StartRelay) -> None:
    relay = start_relay(allocations_max=QUOTA, **ROOMY)
    clients = [await relay.client(f"11.1.3.{n + 1}") for n in range(QUOTA * 2)]
    seen = await outcomes(clients)
    assert seen[None] == QUOTA
    assert set(seen) - {None} <= {486, 508}


async def test_allocations_leave_descriptors_for_health(start_relay: StartRelay) -> None:
    """An allocation is a descriptor; an operator who cannot ask would take the relay for dead."""
    relay = start_relay(descriptors_max=128, **ROOMY)
    clients = [await relay.client(f"11.1.8.{n % 250 + 1}") for n in range(100)]
    seen = await outcomes(clients)
    assert seen[None] == 128 - 64
    assert set(seen) - {None} <= {486, 508}
    assert relay.metric("ringline_relay_allocations_live") == 64


async def test_used_up_ports_are_508(start_relay: StartRelay) -> None:
    """RFC 8656 §7.2; and an ended allocation's port is used again."""
    relay = start_relay(relayed_port_min=50_000, relayed_port_max=50_003, **ROOMY)
    clients = [await relay.client() for _ in range(8)]
    assert await outcomes(clients) == {None: 4, 508: 4}
    await asyncio.gather(*(client.refresh(0) for client in clients))
    assert await outcomes(clients) == {None: 4, 508: 4}


async def test_a_port_that_another_program_has_is_passed_over(
    start_relay: StartRelay, nets: Networks
) -> None:
    relay = start_relay(relayed_port_min=50_010, relayed_port_max=50_012, **ROOMY)
    taken = nets.node.socket(NODE, 50_011)
    clients = [await relay.client() for _ in range(3)]
    assert await outcomes(clients) == {None: 2, 508: 1}
    taken.close()


async def test_permissions_are_limited_and_the_others_unharmed(start_relay: StartRelay) -> None:
    relay = start_relay(permissions_per_allocation_max=3)
    client, peer = await relay.client(), await relay.peer()
    await client.allocated()
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS
    replies = [await client.permit((f"11.1.4.{n}", 1)) for n in range(1, 4)]
    assert [reply.kind for reply in replies[:2]] == [Kind.SUCCESS] * 2
    assert replies[2].error in (486, 508)
    assert (await client.permit(peer.host)).kind is Kind.SUCCESS, "a refresh is allowed"
    client.send_indication(peer.host, b"unharmed")
    assert (await peer.receive())[0] == b"unharmed"
