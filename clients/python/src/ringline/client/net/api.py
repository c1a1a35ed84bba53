"""REST requests of the logged-in device."""

from typing import Any, TypeVar

from ringline.client.errors import Refused
from ringline.client.net.rest import Rest
from ringline.client.net.tokens import Tokens
from ringline.protocol.problems import ProblemType

T = TypeVar("T")


class Api:
    def __init__(self, rest: Rest, tokens: Tokens) -> None:
        self._rest = rest
        self._tokens = tokens

    async def ask(
        self, method: str, path: str, answer: type[T], *, body: Any = None, repeat: bool = False
    ) -> T:
        """As `Rest.ask`. A token that the server has forgotten is replaced, once."""
        token = await self._tokens.get()
        try:
            return await self._rest.ask(method, path, answer, body=body, token=token, repeat=repeat)
        except Refused as error:
            if error.problem.type != ProblemType.UNAUTHENTICATED.uri:
                raise
        self._tokens.forget(token)
        token = await self._tokens.get()
        return await self._rest.ask(method, path, answer, body=body, token=token, repeat=repeat)
