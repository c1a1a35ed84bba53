"""The code in the server's log, for a machine whose operator is the one who registers.

The number is not logged; the code is, and only when the configuration asks for it. Otherwise nothing
carries the code, and saying that it is on its way would be a lie.
"""

import structlog

from backplane.errors import Unavailable

_log = structlog.get_logger("ringline.code")


class LogCodeSender:
    def __init__(self, reveal: bool) -> None:
        self._reveal = reveal

    async def send(self, number: str, code: str) -> None:
        tail = number[-2:]
        if not self._reveal:
            _log.error("no_code_provider", number_ends_with=tail)
            raise Unavailable("no provider carries codes")
        _log.warning("one_time_code", one_time_code=code, number_ends_with=tail)
