"""Who is meant by a number or an account's id, and how somebody is shown."""

from uuid import UUID

from ringline.client.client import Client
from ringline.command.exit_codes import ExitCode
from ringline.command.run import Failed


class People:
    """The numbers that this device knows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers: dict[UUID, str] = {}

    async def load(self) -> None:
        known = await self._client.known_numbers()
        self._numbers = {account: number for account, number in known.items() if number}

    async def find(self, text: str) -> UUID:
        """A number with a leading +, or an account's id. Raise Failed, Refused, Unreachable."""
        if not text.startswith("+"):
            try:
                return UUID(text)
            except ValueError:
                raise Failed(
                    f"{text!r} is neither a number with a leading + nor an account", ExitCode.USAGE
                ) from None
        bare = "+" + "".join(c for c in text if c.isdigit())
        for account, number in self._numbers.items():
            # Who registers the number anew gets another account: one's own notes may be old, but
            # the server then says that the account is gone.
            if number == bare:
                return account
        found = (await self._client.lookup([text])).found
        if not found:
            raise Failed(f"{text} is not registered on {self._client.server}", ExitCode.REFUSED)
        self._numbers[found[0].account] = found[0].number
        return found[0].account

    def number(self, account: UUID) -> str | None:
        if account == self._client.account:
            return self._client.identity.number
        return self._numbers.get(account)

    def name(self, account: UUID) -> str:
        if account == self._client.account:
            return "you"
        return self._numbers.get(account) or str(account)
