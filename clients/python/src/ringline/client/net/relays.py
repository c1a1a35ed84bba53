"""Relay credentials of a call, asked for before its media begins."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ringline.client.call_media import IceServer
from ringline.client.errors import RinglineError
from ringline.client.net.api import Api
from ringline.protocol.resources import RelayCredentials

TIMEOUT_S: Final = 5.0
"""A call does not wait longer to learn of a relay that it may not need."""

_log = logging.getLogger(__name__)


class Relays:
    def __init__(self, api: Api) -> None:
        self._api = api

    async def servers(self, call: UUID) -> Sequence[IceServer]:
        """None when the server has none, refuses, or does not answer in time: that is logged."""
        path = f"/v1/calls/{call}/relay-credentials"
        try:
            async with asyncio.timeout(TIMEOUT_S):
                known = await self._api.ask("POST", path, RelayCredentials)
        except (RinglineError, TimeoutError) as error:
            _log.warning("no relay for the call: %s", type(error).__name__)
            return []
        if not known.uris:
            return []
        return [IceServer(tuple(known.uris), known.username, known.password)]
