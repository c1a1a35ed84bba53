"""Numbers are distinct, valid and fictional; a registration is repeated when the server was away."""

import asyncio

import phonenumbers
import pytest

from loadtest import enrolment
from loadtest.enrolment import NUMBERS_MAX, EnrolmentRefused, enrol, numbers
from loadtest.rehearsal import RehearsalGateway
from loadtest.wire import open_http
from ringline.protocol import codec, resources


def test_numbers_are_distinct_valid_and_fictional() -> None:
    made = numbers(NUMBERS_MAX)
    assert len(set(made)) == NUMBERS_MAX
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in made)
    assert all("55501" in number for number in made)
    assert numbers(10) == made[:10]


def test_there_are_no_more() -> None:
    with pytest.raises(ValueError, match="there are"):
        numbers(NUMBERS_MAX + 1)


async def test_devices_come_in_the_order_of_the_numbers(gateway: RehearsalGateway) -> None:
    async with open_http() as http:
        devices = await enrol(http, gateway.base, numbers(40))
    assert [gateway.accounts[number] for number in numbers(40)] == [
        device.address.account for device in devices
    ]
    assert len({device.address for device in devices}) == 40


async def test_a_server_that_was_away_is_asked_again(
    gateway: RehearsalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "RETRY_PAUSES_S", (0, 0))
    gateway.away = 2
    async with open_http() as http:
        assert len(await enrol(http, gateway.base, numbers(1))) == 1
        gateway.away = 100
        with pytest.raises(EnrolmentRefused, match="503"):
            await enrol(http, gateway.base, numbers(1))


async def test_another_refusal_is_told_at_once(gateway: RehearsalGateway) -> None:
    gateway.code = "000001"
    async with open_http() as http, asyncio.timeout(10):
        with pytest.raises(EnrolmentRefused, match="403"):
            await enrol(http, gateway.base, numbers(1))


def test_the_fixed_code_is_one_that_the_protocol_takes() -> None:
    device = resources.NewDevice(name="x", registration_id=1)
    verification = resources.Verification(code=enrolment.TEST_CODE, device=device)
    body = codec.encode_body(verification)
    assert codec.decode_body(body, resources.Verification) == verification
