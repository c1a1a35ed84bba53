"""Access tokens: bought with the credential, gone with the device."""

import pytest

from backplane.registry.ports import Grant
from messaging import access
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


async def test_tokens_of_one_device_are_limited(build_town: BuildTown) -> None:
    town = build_town(RegistrationLimits(tokens_per_device_hour=2))
    credential = await town.register()
    for _ in range(2):
        await buy(town, credential)
    with pytest.raises(Refused) as refused:
        await buy(town, credential)
    assert refused.value.problem.type == ProblemType.RATE_LIMITED.uri


async def test_device_revoked_while_it_buys_gets_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = await town.register()
    address = Address(credential.account, credential.device)
    tokens, hashes = town.messaging.registry.tokens, []
    putting = tokens.put

    async def revoke_first(token_hash: bytes, grant: Grant, lifetime_ms: int) -> None:
        await town.messaging.devices.revoke(address, address.device)
        await putting(token_hash, grant, lifetime_ms)
        hashes.append(token_hash)

    monkeypatch.setattr(tokens, "put", revoke_first)
    with pytest.raises(Refused) as refused:
        await buy(town, credential)
    assert refused.value.problem.type == ProblemType.CREDENTIAL_REFUSED.uri
    assert await tokens.get(hashes[0]) is None


async def test_what_is_remembered_of_devices_is_bounded(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "EXISTS_ENTRIES_MAX", 1)
    first = await town.register("+442079460001")
    second = await town.register("+442079460002")
    tokens = [(await buy(town, credential)).access_token for credential in (first, second)]
    for token in tokens:
        await town.messaging.access.authenticate(token)
    await town.messaging.records.remove_device(Address(first.account, first.device))
    await town.messaging.records.remove_device(Address(second.account, second.device))
    await assert_refused(town, tokens[0])
    await town.messaging.access.authenticate(tokens[1])
