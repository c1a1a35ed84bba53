"""What only the memory twin can show exactly: times. The rest is in the contract."""

from uuid import uuid4

from backplane.registry.ports import AccountPresence
from backplane.registry.presence_memory import LAST_SEEN_KEPT_MS, MemoryPresence
from ringline.protocol.types import Address

LEASE_MS = 1_000
START = 1_795_000_000_000


class Ground:
    def __init__(self) -> None:
        self.now = START
        self.presence = MemoryPresence(lambda: self.now, LEASE_MS)
        self.phone = Address(uuid4(), 1)

    async def seen(self) -> AccountPresence:
        return (await self.presence.presence([self.phone.account]))[0]


async def test_a_silent_device_was_last_seen_at_its_last_renewal() -> None:
    ground = Ground()
    lease, _ = await ground.presence.acquire(ground.phone, "node-a", "s1")
    ground.now += 700
    await ground.presence.renew([lease])
    ground.now += LEASE_MS - 1
    assert await ground.seen() == AccountPresence(True, None)
    ground.now += 1
    assert await ground.seen() == AccountPresence(False, START + 700)


async def test_last_seen_is_kept_ninety_days() -> None:
    ground = Ground()
    lease, _ = await ground.presence.acquire(ground.phone, "node-a", "s1")
    await ground.presence.release(lease, START + 5)
    ground.now += LAST_SEEN_KEPT_MS - 1
    assert await ground.seen() == AccountPresence(False, START + 5)
    ground.now += 1
    assert await ground.seen() == AccountPresence(False, None)


async def test_the_fence_is_the_clock_in_microseconds_and_rises_within_one() -> None:
    ground = Ground()
    first, _ = await ground.presence.acquire(ground.phone, "node-a", "s1")
    second, _ = await ground.presence.acquire(ground.phone, "node-a", "s2")
    assert (first.fence, second.fence) == (START * 1000, START * 1000 + 1)
    ground.now -= 10_000  # a clock set back
    third, _ = await ground.presence.acquire(ground.phone, "node-a", "s3")
    assert third.fence == second.fence + 1
