"""Devices for the load: registered over REST as anybody is, with test numbers and their fixed code.

The numbers are those that the North American plan keeps for fiction, 555-0100 to 555-0199 of each
area: they are valid, and nobody's telephone.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from loadtest.courier import Device
from ringline.protocol import codec, resources
from ringline.protocol.limits import REGISTRATION_ID_MAX
from ringline.protocol.types import Address

TEST_PREFIX: Final = "+1"
TEST_CODE: Final = "135790"
AT_A_TIME: Final = 16
RETRY_PAUSES_S: Final = (0.5, 1.0, 2.0)
_AREAS: Final = [
    "201",
    "202",
    "203",
    "205",
    "206",
    "207",
    "208",
    "209",
    "210",
    "212",
    "213",
    "214",
    "215",
    "216",
    "217",
    "218",
    "219",
    "220",
    "223",
    "224",
    "225",
    "227",
    "228",
    "229",
    "231",
    "234",
    "235",
    "239",
    "240",
    "248",
    "251",
    "252",
    "253",
    "254",
    "256",
    "260",
    "262",
    "267",
    "269",
    "270",
    "272",
    "274",
    "276",
    "279",
    "281",
    "283",
    "301",
    "302",
    "303",
    "304",
]
NUMBERS_MAX: Final = 100 * len(_AREAS)


class EnrolmentRefused(Exception):
    """The server would not register a number; the text says what it answered."""


class Unavailable(EnrolmentRefused):
    """It may at another time (503): the registration begins anew, since its code may be used up."""


def numbers(count: int) -> list[str]:
    """Distinct E.164 numbers. Raise ValueError above NUMBERS_MAX."""
    if count > NUMBERS_MAX:
        raise ValueError(f"there are {NUMBERS_MAX} numbers, not {count}")
    return [f"+1{_AREAS[index // 100]}55501{index % 100:02d}" for index in range(count)]


async def enrol(http: aiohttp.ClientSession, base: str, wanted: Sequence[str]) -> list[Device]:
    """One account with one device per number, in that order. Raise EnrolmentRefused."""
    gate = asyncio.Semaphore(AT_A_TIME)
    identities = random.Random(len(wanted))

    async def one(number: str, registration_id: int) -> Device:
        async with gate:
            for pause_s in RETRY_PAUSES_S:
                try:
                    return await _register(http, base, number, registration_id)
                except Unavailable:
                    await asyncio.sleep(pause_s)
            return await _register(http, base, number, registration_id)

    return list(
        await asyncio.gather(
            *(one(number, identities.randint(0, REGISTRATION_ID_MAX)) for number in wanted)
        )
    )


async def _register(
    http: aiohttp.ClientSession, base: str, number: str, registration_id: int
) -> Device:
    started = await _post(
        http, f"{base}/v1/registrations", resources.NewRegistration(number=number)
    )
    registration = codec.decode_body(started, resources.Registration).registration
    device = resources.NewDevice(name="loadtest", registration_id=registration_id)
    verified = await _post(
        http,
        f"{base}/v1/registrations/{quote(registration)}/device",
        resources.Verification(code=TEST_CODE, device=device),
    )
    made = codec.decode_body(verified, resources.DeviceCredential)
    return Device(Address(made.account, made.device), registration_id, made.credential)


async def _post(http: aiohttp.ClientSession, url: str, body: msgspec.Struct) -> bytes:
    headers = {"Content-Type": "application/json"}
    async with http.post(url, data=codec.encode_body(body), headers=headers) as answer:
        text = await answer.read()
        if answer.status == 503:
            raise Unavailable(f"503: {text[:300]!r}")
        if answer.status not in (200, 201):
            raise EnrolmentRefused(f"{answer.status}: {text[:300]!r}")
        return text
