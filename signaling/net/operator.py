"""The operator's routes on the administrative port: accounts for checks, made and removed.

    POST   /v1/operator/accounts             {"name": …}  → DeviceCredential
    DELETE /v1/operator/accounts/{account}

`Authorization: Bearer` with the operator's token; without one configured there are no such routes.
"""

import asyncio
import hmac
from typing import Annotated, Final
from uuid import UUID

import structlog
from aiohttp import web
from msgspec import Meta

from backplane.telemetry.answers_aiohttp import HEADERS, problem_response
from messaging.errors import Refused, refuse
from messaging.operator_account import OperatorAccounts
from ringline.protocol import limits
from ringline.protocol.codec import decode_body, encode_body
from ringline.protocol.problems import ProblemType
from ringline.protocol.resources import Request
from signaling.refusals import Expected, problem_of

PREFIX: Final = "/v1/operator/"
ACCOUNTS: Final = "/v1/operator/accounts"
BODY_BYTES_MAX: Final = 4096
BODY_TIMEOUT_S: Final = 5.0

_log = structlog.get_logger()


class NewOperatorAccount(Request, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=limits.DEVICE_NAME_CHARACTERS_MAX)]
    """Of its one device."""


class OperatorDoor:
    def __init__(self, token: str, accounts: OperatorAccounts) -> None:
        self._token = token.encode()
        self._accounts = accounts

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every path that begins with PREFIX."""
        try:
            return await self._handle(request)
        except Expected as error:
            return problem_response(problem_of(error))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._token:
            raise refuse(ProblemType.NOT_FOUND)
        # What was no UTF-8 comes as surrogates.
        shown = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(shown, b"Bearer " + self._token):
            raise refuse(ProblemType.UNAUTHENTICATED)
        if request.path == ACCOUNTS and request.method == "POST":
            return await self._mint(request)
        account = _account(request.path)
        if account is not None and request.method == "DELETE":
            await self._accounts.remove(account)
            _log.info("operator's account removed")
            return web.Response(status=204, headers=HEADERS)
        raise refuse(ProblemType.NOT_FOUND)

    async def _mint(self, request: web.BaseRequest) -> web.StreamResponse:
        wish = decode_body(await _body(request), NewOperatorAccount)
        made = await self._accounts.mint(wish.name)
        _log.info("operator's account made")
        return web.Response(
            status=201,
            body=encode_body(made),
            content_type="application/json",
            headers=HEADERS,
        )


async def _body(request: web.BaseRequest) -> bytes:
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while chunk := await request.content.readany():
                data += chunk
                if len(data) > BODY_BYTES_MAX:
                    raise Refused(ProblemType.TOO_LARGE.describe())
    except TimeoutError:
        raise refuse(ProblemType.MALFORMED, "the body did not come in time") from None
    return bytes(data)


def _account(path: str) -> UUID | None:
    text = path.removeprefix(ACCOUNTS + "/")
    try:
        return UUID(text) if str(UUID(text)) == text else None
    except ValueError:
        return None
