"""The code in the server's log, for a machine whose operator is the one who registers.

The number is not logged; the code is, and only when the configuration asks for it.
"""

import structlog

_log = structlog.get_logger("ringline.code")


class LogCodeSender:
    def __init__(self, reveal: bool) -> None:
        self._reveal = reveal

    async def send(self, number: str, code: str) -> None:
        tail = number[-2:]
        if self._reveal:
            _log.warning("one_time_code", one_time_code=code, number_ends_with=tail)
        else:
            _log.error("no_code_provider", number_ends_with=tail)
