"""CodeSender, the port: how a one-time code travels to a number. Adapter: `code_sender_log.py`."""

from typing import Protocol


class CodeSender(Protocol):
    async def send(self, number: str, code: str) -> None:
        """Hand the code on within 5 s. Raises Unavailable when the provider does not take it."""
