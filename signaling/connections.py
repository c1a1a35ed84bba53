"""The connections of this node, by device and by account."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol
from uuid import UUID

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address
from signaling.session import Action, Session


class Connection(Protocol):
    """A session with its socket. `perform` does not block, and closes what cannot keep up."""

    session: Session

    def perform(self, actions: Sequence[Action]) -> None: ...

    def close(self, code: CloseCode) -> None: ...


class Connections:
    def __init__(self) -> None:
        self._by_address: dict[Address, Connection] = {}
        self._by_account: dict[UUID, dict[int, Connection]] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_address.values()))

    def add(self, connection: Connection) -> Connection | None:
        """The device's connection from now on; the one that it takes the place of."""
        address = connection.session.address
        before = self._by_address.get(address)
        self._by_address[address] = connection
        self._by_account.setdefault(address.account, {})[address.device] = connection
        return before

    def remove(self, connection: Connection) -> bool:
        """Whether it was still its device's."""
        address = connection.session.address
        if self._by_address.get(address) is not connection:
            return False
        del self._by_address[address]
        devices = self._by_account[address.account]
        del devices[address.device]
        if not devices:
            del self._by_account[address.account]
        return True

    def get(self, address: Address) -> Connection | None:
        return self._by_address.get(address)

    def of_account(self, account: UUID) -> tuple[Connection, ...]:
        return tuple(self._by_account.get(account, {}).values())

    def close(self, addresses: Iterable[Address], code: CloseCode) -> None:
        for address in addresses:
            connection = self._by_address.get(address)
            if connection is not None:
                connection.close(code)
