"""Codes: few tries, short lives, budgets; and what registering again does."""

import asyncio
from collections import Counter

import pytest

from backplane.bus.ports import Revoked
from messaging.errors import Refused
from messaging.settings import RegistrationLimits
from ringline.protocol import limits
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import NewAccessToken, Verification
from ringline.protocol.types import Address
from tests.unit.messaging.conftest import NEW_DEVICE, NUMBER, PEER, BuildTown, Town


async def guess(town: Town, registration: str, code: str, peer: str = PEER) -> ProblemType | None:
    """What the guess was refused with; None when it was right."""
    try:
        await town.messaging.registrations.verify(
            registration, Verification(code=code, device=NEW_DEVICE), peer
        )
    except Refused as refused:
        return next(kind for kind in ProblemType if kind.uri == refused.problem.type)
    return None


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_right_code_makes_an_account_with_device_one(town: Town) -> None:
    credential = await town.register()
    assert (credential.number, credential.device) == (NUMBER, 1)
    assert credential.account.version == 4
    record = await town.messaging.records.device(Address(credential.account, 1))
    assert record is not None
    assert credential.credential.encode() not in record.credential_hash
    assert await town.messaging.queues.head(Address(credential.account, 1)) is not None


async def test_b1_five_tries_then_even_the_right_code_is_dead(town: Town) -> None:
    started = await town.messaging.registrations.start(NUMBER, PEER)
    code = town.codes[NUMBER]
    for _ in range(limits.CODE_ATTEMPTS_MAX):
        assert await guess(town, started.registration, wrong(code)) is ProblemType.CODE_REFUSED
    assert await guess(town, started.registration, code) is ProblemType.CODE_REFUSED


async def test_b1_new_code_kills_the_old_one(town: Town) -> None:
    first = await town.messaging.registrations.start(NUMBER, PEER)
    old = town.codes[NUMBER]
    town.clock.now += 61_000
    second = await town.messaging.registrations.start("+44 20 7946 0000", PEER)
    assert await guess(town, first.registration, old) is ProblemType.CODE_REFUSED
    assert await guess(town, second.registration, town.codes[NUMBER]) is None


async def test_b1_code_is_bound_to_its_registration(town: Town) -> None:
    await town.messaging.registrations.start(NUMBER, PEER)
    other = await town.messaging.registrations.start("+442079460001", PEER)
    code = town.codes[NUMBER]
    if code != town.codes["+442079460001"]:
        assert await guess(town, other.registration, code) is ProblemType.CODE_REFUSED


async def test_code_dies_after_ten_minutes(town: Town) -> None:
    started = await town.messaging.registrations.start(NUMBER, PEER)
    town.clock.now += limits.CODE_LIFETIME_S * 1000 + 1
    found = await guess(town, started.registration, town.codes[NUMBER])
    assert found is ProblemType.CODE_REFUSED


async def test_code_works_once(town: Town) -> None:
    started = await town.messaging.registrations.start(NUMBER, PEER)
    assert await guess(town, started.registration, town.codes[NUMBER]) is None
    again = await guess(town, started.registration, town.codes[NUMBER])
    assert again is ProblemType.CODE_REFUSED


async def test_tries_are_counted_by_number_over_all_registrations(build_town: BuildTown) -> None:
    town = build_town(
        RegistrationLimits(attempts_per_number_hour=3, resend_after_s=1, resend_doublings_max=0)
    )
    for _ in range(3):
        started = await town.messaging.registrations.start(NUMBER, PEER)
        assert await guess(town, started.registration, wrong(town.codes[NUMBER])) is (
            ProblemType.CODE_REFUSED
        )
        town.clock.now += 1_500
    started = await town.messaging.registrations.start(NUMBER, PEER)
    found = await guess(town, started.registration, town.codes[NUMBER])
    assert found is ProblemType.RATE_LIMITED


async def test_another_code_only_after_a_pause(town: Town) -> None:
    started = await town.messaging.registrations.start(NUMBER, PEER)
    with pytest.raises(Refused) as refused:
        await town.messaging.registrations.resend(started.registration, PEER)
    assert refused.value.problem.status == 429
    assert refused.value.problem.retry_after_s is not None
    town.clock.now = started.resend_at + 1
    again = await town.messaging.registrations.resend(started.registration, PEER)
    assert again.registration == started.registration


async def test_pause_doubles_with_each_code(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(resend_doublings_max=2))
    started_at = town.clock.now
    codes_at: list[int] = []
    while len(codes_at) < 5:
        try:
            await town.messaging.registrations.start(NUMBER, PEER)
            codes_at.append((town.clock.now - started_at) // 1000)
        except Refused as refused:
            assert refused.problem.retry_after_s is not None
            town.clock.now += refused.problem.retry_after_s * 1000
    assert codes_at == [0, 60, 180, 420, 480], "60 s, 120 s, 240 s; then the longest begins anew"


@pytest.mark.parametrize(
    ("allowed", "numbers"),
    [
        (RegistrationLimits(codes_per_country_hour=2), ["+442079460001", "+441212345678"]),
        (RegistrationLimits(codes_per_hour=2), ["+33142685300", "+4930901820"]),
    ],
    ids=["country", "global"],
)
async def test_shared_budgets_alert(
    build_town: BuildTown, allowed: RegistrationLimits, numbers: list[str]
) -> None:
    town = build_town(allowed)
    for number in numbers:
        await town.messaging.registrations.start(number, PEER)
    with pytest.raises(Refused) as refused:
        await town.messaging.registrations.start(NUMBER, "198.51.100.8")
    assert refused.value.problem.type == ProblemType.RATE_LIMITED.uri
    assert town.alerts == ["global" if allowed.codes_per_hour == 2 else "country"]


async def test_tries_by_one_address_are_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(attempts_per_address_hour=2))
    for expected in (ProblemType.CODE_REFUSED,) * 2 + (ProblemType.RATE_LIMITED,):
        assert await guess(town, "A" * 43, "000000") is expected
    assert await guess(town, "A" * 43, "000000", "198.51.100.8") is ProblemType.CODE_REFUSED


async def test_tries_of_a_number_are_limited_by_the_day(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(attempts_per_number_day=2))
    started = await town.messaging.registrations.start(NUMBER, PEER)
    for _ in range(2):
        await guess(town, started.registration, wrong(town.codes[NUMBER]))
    found = await guess(town, started.registration, town.codes[NUMBER])
    assert found is ProblemType.RATE_LIMITED


async def test_registrations_from_one_address_are_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(registrations_per_address_hour=1))
    await town.register()
    with pytest.raises(Refused) as refused:
        await town.register("+442079460001")
    assert refused.value.problem.type == ProblemType.RATE_LIMITED.uri
    await town.register("+442079460002", "198.51.100.8")


async def test_spellings_share_one_budget(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(codes_per_number_day=2, resend_after_s=1))
    for text in ("+442079460000", "+44 (0)20 7946 0000"):
        await town.messaging.registrations.start(text, PEER)
        town.clock.now += 1_500
    with pytest.raises(Refused) as refused:
        await town.messaging.registrations.start("+44 20 79460000", "198.51.100.8")
    assert refused.value.problem.type == ProblemType.RATE_LIMITED.uri


async def test_b2_prefix_budget_alerts_and_leaves_other_prefixes_alone(
    build_town: BuildTown,
) -> None:
    town = build_town(RegistrationLimits(codes_per_prefix_hour=10))
    refusals = 0
    for number in range(100):
        try:
            await town.messaging.registrations.start(
                f"+4420794600{number:02d}", f"198.51.100.{number}"
            )
        except Refused:
            refusals += 1
    assert (len(town.codes), refusals) == (10, 90)
    assert set(town.alerts) == {"prefix"}
    await town.messaging.registrations.start("+442071838750", "203.0.113.1")
    assert len(town.codes) == 11


async def test_b2_address_budget_counts_ipv6_by_64(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(codes_per_address_hour=3))
    for number in range(3):
        await town.messaging.registrations.start(f"+44207946000{number}", f"2001:db8::{number}")
    with pytest.raises(Refused):
        await town.messaging.registrations.start("+442079460009", "2001:db8::9")
    assert not town.alerts


async def test_b1_ten_thousand_guesses_from_everywhere(build_town: BuildTown) -> None:
    town = build_town(
        RegistrationLimits(codes_per_number_day=50, resend_after_s=1, resend_doublings_max=0)
    )
    sessions = []
    for index in range(50):
        started = await town.messaging.registrations.start(NUMBER, f"198.51.100.{index}")
        sessions.append(started.registration)
        town.clock.now += 1_001
    outcomes: Counter[ProblemType | None] = Counter()
    for code in range(10_000):
        if f"{code:06d}" == town.codes[NUMBER]:
            continue
        found = await guess(town, sessions[code % 50], f"{code:06d}", f"203.0.113.{code % 50}")
        outcomes[found] += 1
    # All but the last session's codes were dead; of what was still compared, the addresses' budgets
    # (100 an hour for each of 50) leave half.
    assert outcomes[ProblemType.RATE_LIMITED] > 4_500
    assert None not in outcomes
    found = await guess(town, sessions[-1], town.codes[NUMBER], "192.0.2.200")
    assert found is not None, "after five tries the code is dead, also for its owner"


async def test_b2_ten_thousand_numbers_of_one_prefix(build_town: BuildTown) -> None:
    town = build_town()
    for index in range(10_000):
        try:
            await town.messaging.registrations.start(
                f"+4420794{index:05d}", f"198.51.{index % 4}.{index % 250}"
            )
        except Refused as refused:
            assert refused.problem.status in (422, 429)
    assert 0 < len(town.codes) <= 50 * 10, "ten prefixes of four digits, fifty codes each"
    assert "prefix" in town.alerts
    await town.messaging.registrations.start("+33142685300", "192.0.2.1")
    assert "+33142685300" in town.codes


async def test_test_numbers_send_nothing(build_town: BuildTown) -> None:
    town = build_town(test_numbers={NUMBER: "123456"})
    started = await town.messaging.registrations.start(NUMBER, PEER)
    assert not town.codes
    assert await guess(town, started.registration, "123456") is None


async def test_test_numbers_have_a_budget_of_their_own(build_town: BuildTown) -> None:
    town = build_town(
        RegistrationLimits(test_registrations_hour=3, codes_per_hour=1),
        test_prefix="+1555",
        test_prefix_code="123456",
    )
    for index in range(3):
        await town.messaging.registrations.start(f"+1555000000{index}", PEER)
    with pytest.raises(Refused) as refused:
        await town.messaging.registrations.start("+15550000003", PEER)
    assert refused.value.problem.type == ProblemType.RATE_LIMITED.uri
    await town.messaging.registrations.start(NUMBER, PEER)


async def test_registering_again_replaces_the_devices(town: Town) -> None:
    first = await town.register()
    access = await town.messaging.access.issue(
        NewAccessToken(account=first.account, device=first.device, credential=first.credential),
        PEER,
    )
    town.clock.now += 61_000
    second = await town.register()
    assert second.account == first.account
    assert second.device != first.device, "its number is not used again at once"
    assert [d.device for d in await town.messaging.queues.devices(first.account)] == [second.device]
    with pytest.raises(Refused):
        await town.messaging.access.authenticate(access.access_token)
    await asyncio.sleep(0.01)
    [told] = [m for m in town.bus_messages if isinstance(m, Revoked)]
    assert told == Revoked(addresses=[Address(first.account, first.device)], replaced=True)


async def test_answer_does_not_tell_who_is_registered(town: Town) -> None:
    await town.register()
    town.clock.now += 61_000
    known = await town.messaging.registrations.start(NUMBER, PEER)
    unknown = await town.messaging.registrations.start("+442079460001", PEER)
    assert known.code_expires_at == unknown.code_expires_at
    assert known.resend_at == unknown.resend_at
    assert len(known.registration) == len(unknown.registration)


async def test_resend_for_nothing_is_not_found(town: Town) -> None:
    with pytest.raises(Refused) as refused:
        await town.messaging.registrations.resend("A" * 43, PEER)
    assert refused.value.problem.type == ProblemType.NOT_FOUND.uri
