from uuid import uuid4

import pytest

from backplane.registry.ports import Grant, Registry, TokenRegistry
from ringline.protocol.types import Address
from tests.contract.registry.conftest import Ground

LIFE_MS = 60_000


@pytest.fixture
def tokens(registry: Registry) -> TokenRegistry:
    return registry.tokens


@pytest.fixture
def grant() -> Grant:
    return Grant(Address(uuid4(), 3), 1_795_000_123_456)


def token(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def test_a_token_stands_for_its_grant(tokens: TokenRegistry, grant: Grant) -> None:
    await tokens.put(token(1), grant, LIFE_MS)
    assert await tokens.get(token(1)) == grant
    assert await tokens.get(token(2)) is None


async def test_a_token_ends(ground: Ground, tokens: TokenRegistry, grant: Grant) -> None:
    await tokens.put(token(1), grant, 80)
    await tokens.put(token(2), grant, LIFE_MS)
    await ground.pass_ms(100)
    assert await tokens.get(token(1)) is None
    assert await tokens.get(token(2)) == grant
    assert await tokens.revoke(grant.address) == 1


async def test_a_revocation_ends_every_token_of_that_device_alone(
    tokens: TokenRegistry, grant: Grant
) -> None:
    other = Grant(Address(grant.address.account, 4), grant.expires_at)
    for number in range(3):
        await tokens.put(token(number), grant, LIFE_MS)
    await tokens.put(token(9), other, LIFE_MS)
    assert await tokens.revoke(grant.address) == 3
    assert [await tokens.get(token(number)) for number in range(3)] == [None] * 3
    assert await tokens.get(token(9)) == other
    assert await tokens.revoke(grant.address) == 0


async def test_the_seventeenth_token_ends_the_first(tokens: TokenRegistry, grant: Grant) -> None:
    for number in range(18):
        await tokens.put(token(number), grant, LIFE_MS)
    live = [number for number in range(18) if await tokens.get(token(number))]
    assert live == list(range(2, 18))


async def test_a_short_lived_newcomer_stays_all_the_same(
    tokens: TokenRegistry, grant: Grant
) -> None:
    for number in range(16):
        await tokens.put(token(number), grant, LIFE_MS)
    await tokens.put(token(99), grant, LIFE_MS // 2)
    assert await tokens.get(token(99)) == grant
    assert await tokens.get(token(0)) is None


async def test_putting_a_token_again_takes_one_place(tokens: TokenRegistry, grant: Grant) -> None:
    for _ in range(20):
        await tokens.put(token(1), grant, LIFE_MS)
    assert await tokens.revoke(grant.address) == 1
