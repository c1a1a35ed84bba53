"""Access tokens: bought with the device's credential, one at a time, kept while they are good."""

import asyncio
from collections.abc import Callable
from typing import Final

from ringline.client.errors import Refused
from ringline.client.net.rest import Rest
from ringline.client.store import Identity
from ringline.protocol import limits
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import AccessToken, NewAccessToken

LIFETIME_MS: Final = limits.ACCESS_TOKEN_LIFETIME_S * 1000
MARGIN_MS: Final = 120_000


class Tokens:
    """`clock` gives milliseconds and only rises: whether this machine's date is right is no matter."""

    def __init__(self, rest: Rest, identity: Identity, clock: Callable[[], int]) -> None:
        self._rest = rest
        self._identity = identity
        self._clock = clock
        self._token: str | None = None
        self._until = 0
        self._buying = asyncio.Lock()

    async def get(self) -> str:
        """One that is good for two minutes at least. Raise as `buy`."""
        async with self._buying:
            if self._token is None or self._clock() > self._until - MARGIN_MS:
                await self._buy()
            assert self._token is not None
            return self._token

    async def buy(self) -> tuple[str, int]:
        """A new one, and its lifetime in milliseconds. Raise Refused (`credential-refused` is for
        good), Unreachable."""
        async with self._buying:
            return await self._buy()

    def forget(self, token: str) -> None:
        """It was refused; a newer one stays."""
        if self._token == token:
            self._token = None

    async def _buy(self) -> tuple[str, int]:
        identity = self._identity
        body = NewAccessToken(
            account=identity.account, device=identity.device, credential=identity.credential
        )
        bought = await self._rest.ask("POST", "/v1/tokens", AccessToken, body=body, repeat=True)
        self._token, self._until = bought.access_token, self._clock() + LIFETIME_MS
        return bought.access_token, LIFETIME_MS


def is_credential_refused(error: Exception) -> bool:
    uri = ProblemType.CREDENTIAL_REFUSED.uri
    return isinstance(error, Refused) and error.problem.type == uri
