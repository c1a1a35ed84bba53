"""Access tokens: bought with the credential, gone with the device."""

import pytest

from messaging.errors import Refused
from messaging.settings import RegistrationLimits
from ringline.protocol import limits
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import AccessToken, DeviceCredential, NewAccessToken
from ringline.protocol.types import Address
from tests.unit.messaging.conftest import PEER, BuildTown, Town


def wish(credential: DeviceCredential, secret: str | None = None) -> NewAccessToken:
    return NewAccessToken(
        account=credential.account,
        device=credential.device,
        credential=secret or credential.credential,
    )


async def buy(town: Town, credential: DeviceCredential) -> AccessToken:
    return await town.messaging.access.issue(wish(credential), PEER)


async def assert_refused(town: Town, token: str) -> None:
    with pytest.raises(Refused) as refused:
        await town.messaging.access.authenticate(token)
    assert refused.value.problem.type == ProblemType.UNAUTHENTICATED.uri


async def test_token_stands_for_the_device_for_thirty_minutes(town: Town) -> None:
    credential = await town.register()
    bought = await buy(town, credential)
    grant = await town.messaging.access.authenticate(bought.access_token)
    assert grant.address == Address(credential.account, credential.device)
    assert bought.expires_at == town.clock.now + limits.ACCESS_TOKEN_LIFETIME_S * 1000
    town.clock.now = bought.expires_at
    await assert_refused(town, bought.access_token)


@pytest.mark.parametrize("field", ["credential", "device", "account"])
async def test_anything_wrong_gets_the_same_answer(town: Town, field: str) -> None:
    credential = await town.register()
    request = NewAccessToken(
        account=credential.account if field != "account" else type(credential.account)(int=5),
        device=credential.device if field != "device" else 9,
        credential=credential.credential if field != "credential" else "A" * 43,
    )
    with pytest.raises(Refused) as refused:
        await town.messaging.access.issue(request, PEER)
    assert refused.value.problem == ProblemType.CREDENTIAL_REFUSED.describe()


async def test_unknown_token(town: Town) -> None:
    await assert_refused(town, "A" * 43)


async def test_revoked_device_is_refused_though_the_registry_kept_its_token(town: Town) -> None:
    credential = await town.register()
    bought = await buy(town, credential)
    await town.messaging.access.authenticate(bought.access_token)
    await town.messaging.records.remove_device(Address(credential.account, credential.device))
    town.clock.now += 2_001
    await assert_refused(town, bought.access_token)


async def test_tokens_by_one_address_are_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(tokens_per_address_minute=3))
    credential = await town.register()
    for _ in range(3):
        await buy(town, credential)
    with pytest.raises(Refused) as refused:
        await buy(town, credential)
    assert refused.value.problem.type == ProblemType.RATE_LIMITED.uri
    town.clock.now += 61_000
    await buy(town, credential)
