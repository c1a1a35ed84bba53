import asyncio
from uuid import uuid4

import pytest

from backplane.registry.ports import LinkRegistry, Registry
from tests.contract.registry.conftest import Ground

LIFE_MS = 60_000
CODE, NEWER = b"c" * 32, b"n" * 32


@pytest.fixture
def links(registry: Registry) -> LinkRegistry:
    return registry.links


async def test_a_code_is_taken_once(links: LinkRegistry) -> None:
    account = uuid4()
    await links.put(CODE, account, LIFE_MS)
    assert await links.take(b"x" * 32) is None
    assert await links.take(CODE) == account
    assert await links.take(CODE) is None


async def test_fifty_at_once_take_it_once(links: LinkRegistry) -> None:
    account = uuid4()
    await links.put(CODE, account, LIFE_MS)
    taken = await asyncio.gather(*(links.take(CODE) for _ in range(50)))
    assert [one for one in taken if one is not None] == [account]


async def test_an_account_has_one_live_code(links: LinkRegistry) -> None:
    account, other = uuid4(), uuid4()
    await links.put(CODE, account, LIFE_MS)
    await links.put(b"o" * 32, other, LIFE_MS)
    await links.put(NEWER, account, LIFE_MS)
    assert await links.take(CODE) is None
    assert await links.take(NEWER) == account
    assert await links.take(b"o" * 32) == other


async def test_a_code_ends(ground: Ground, links: LinkRegistry) -> None:
    await links.put(CODE, uuid4(), 80)
    await ground.pass_ms(100)
    assert await links.take(CODE) is None
