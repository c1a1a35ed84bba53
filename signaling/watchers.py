"""Who is told of whose presence. A person's presence is for those whom that person has accepted."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from backplane.bus.ports import PresenceChanged
from backplane.registry.ports import PresenceRegistry
from messaging.contact import Contacts
from messaging.errors import Refused
from ringline.protocol.frames import Presence
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import PresenceState
from signaling.connections import Connection
from signaling.session import SessionState

REFUSED_LISTED_MAX = 16


class Watchers:
    def __init__(self, contacts: Contacts, presence: PresenceRegistry) -> None:
        self._contacts = contacts
        self._presence = presence
        self._by_account: dict[UUID, dict[Connection, None]] = {}
        self._by_connection: dict[Connection, tuple[UUID, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_connection)

    async def watch(self, connection: Connection, accounts: Sequence[UUID]) -> None:
        """Replace the set, and tell the present state of each. Raises Refused (NOT_ACCEPTED, which
        names whom; the old set stays) and WorldError."""
        wanted = tuple(dict.fromkeys(accounts))
        watcher = connection.session.address.account
        strangers = [account for account in wanted if not await self._may(watcher, account)]
        if strangers:
            listed = ", ".join(str(account) for account in strangers[:REFUSED_LISTED_MAX])
            raise Refused(ProblemType.NOT_ACCEPTED.describe(f"not accepted by: {listed}"))
        if connection.session.state is SessionState.CLOSED:
            return
        self.forget(connection)
        self._by_connection[connection] = wanted
        for account in wanted:
            self._by_account.setdefault(account, {})[connection] = None
        await self._tell_all(connection, wanted)

    async def _tell_all(self, connection: Connection, accounts: Sequence[UUID]) -> None:
        if not accounts:
            return
        for account, now in zip(accounts, await self._presence.presence(accounts), strict=True):
            state = PresenceState.ONLINE if now.online else PresenceState.OFFLINE
            self._tell([connection], account, state, now.last_seen)

    async def changed(self, notice: PresenceChanged) -> None:
        """From any node. Whether a watcher may still know is asked anew. Raises WorldError."""
        allowed = [
            connection
            for connection in tuple(self._by_account.get(notice.account, ()))
            if await self._may(connection.session.address.account, notice.account)
        ]
        self._tell(allowed, notice.account, notice.state, notice.last_seen)

    def watched(self, account: UUID) -> bool:
        return account in self._by_account

    def forget(self, connection: Connection) -> None:
        for account in self._by_connection.pop(connection, ()):
            watchers = self._by_account[account]
            del watchers[connection]
            if not watchers:
                del self._by_account[account]

    async def _may(self, watcher: UUID, watched: UUID) -> bool:
        return watcher == watched or await self._contacts.is_accepted(watched, watcher)

    @staticmethod
    def _tell(
        connections: Iterable[Connection],
        account: UUID,
        state: PresenceState,
        last_seen: int | None,
    ) -> None:
        frame = Presence(account=account, state=state, last_seen=last_seen)
        for connection in connections:
            connection.perform(connection.session.answer(frame))
