import asyncio

import pytest

from backplane.registry.ports import Challenge, ChallengeRegistry, Registry
from tests.contract.registry.conftest import Ground

LIFE_MS = 60_000
NUMBER = "+41445550123"
FIRST, SECOND = b"1" * 32, b"2" * 32
RIGHT, WRONG, NEWER = b"r" * 32, b"w" * 32, b"n" * 32


@pytest.fixture
def challenges(registry: Registry) -> ChallengeRegistry:
    return registry.challenges


async def test_the_right_code_works_once(challenges: ChallengeRegistry) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 5), LIFE_MS)
    assert await challenges.number(FIRST) == NUMBER
    assert await challenges.attempt(FIRST, RIGHT) == NUMBER
    assert await challenges.attempt(FIRST, RIGHT) is None
    assert await challenges.number(FIRST) is None


async def test_attempts_are_counted_before_they_are_compared(
    challenges: ChallengeRegistry,
) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 3), LIFE_MS)
    for _ in range(3):
        assert await challenges.attempt(FIRST, WRONG) is None
    assert await challenges.attempt(FIRST, RIGHT) is None
    assert await challenges.number(FIRST) == NUMBER  # another code may be asked for


async def test_the_last_attempt_may_be_right(challenges: ChallengeRegistry) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 2), LIFE_MS)
    assert await challenges.attempt(FIRST, WRONG) is None
    assert await challenges.attempt(FIRST, RIGHT) == NUMBER


async def test_a_new_registration_kills_the_old_one(challenges: ChallengeRegistry) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 5), LIFE_MS)
    await challenges.put(SECOND, Challenge(NUMBER, NEWER, 5), LIFE_MS)
    assert await challenges.number(FIRST) is None
    assert await challenges.attempt(FIRST, RIGHT) is None
    assert await challenges.attempt(FIRST, NEWER) is None
    assert await challenges.attempt(SECOND, NEWER) == NUMBER


async def test_the_old_registrations_tries_do_not_spend_the_new_ones(
    challenges: ChallengeRegistry,
) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 1), LIFE_MS)
    await challenges.put(SECOND, Challenge(NUMBER, NEWER, 1), LIFE_MS)
    assert await challenges.attempt(FIRST, WRONG) is None
    assert await challenges.attempt(SECOND, NEWER) == NUMBER


async def test_a_resent_code_has_its_own_attempts(challenges: ChallengeRegistry) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 1), LIFE_MS)
    assert await challenges.attempt(FIRST, WRONG) is None
    await challenges.put(FIRST, Challenge(NUMBER, NEWER, 2), LIFE_MS)
    assert await challenges.attempt(FIRST, RIGHT) is None
    assert await challenges.attempt(FIRST, NEWER) == NUMBER


async def test_a_challenge_ends(ground: Ground, challenges: ChallengeRegistry) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 5), 80)
    await ground.pass_ms(100)
    assert await challenges.number(FIRST) is None
    assert await challenges.attempt(FIRST, RIGHT) is None


async def test_fifty_guesses_at_once_spend_exactly_the_attempts(
    challenges: ChallengeRegistry,
) -> None:
    """What each guess found is told apart by a right code among them, never in the allowed few."""
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 50), LIFE_MS)
    wrong = await asyncio.gather(*(challenges.attempt(FIRST, WRONG) for _ in range(49)))
    assert wrong == [None] * 49
    assert await challenges.attempt(FIRST, RIGHT) == NUMBER  # the fiftieth: none was lost

    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 5), LIFE_MS)
    await asyncio.gather(*(challenges.attempt(FIRST, WRONG) for _ in range(50)))
    assert await challenges.attempt(FIRST, RIGHT) is None  # nor did any come free


async def test_the_right_code_from_fifty_at_once_is_taken_once(
    challenges: ChallengeRegistry,
) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 100), LIFE_MS)
    results = await asyncio.gather(*(challenges.attempt(FIRST, RIGHT) for _ in range(50)))
    assert sorted(results, key=str) == [NUMBER] + [None] * 49


async def test_numbers_do_not_share_challenges(challenges: ChallengeRegistry) -> None:
    await challenges.put(FIRST, Challenge(NUMBER, RIGHT, 5), LIFE_MS)
    await challenges.put(SECOND, Challenge("+41445550199", NEWER, 5), LIFE_MS)
    assert await challenges.attempt(SECOND, RIGHT) is None
    assert await challenges.attempt(FIRST, RIGHT) == NUMBER
