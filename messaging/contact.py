"""Who has accepted whom. The first message of a stranger is a request: it is delivered, but nothing
of the stranger's rings, and no presence is shown, until it is accepted."""

from collections.abc import Callable
from uuid import UUID

from backplane.storage.device_queues import DeviceQueues
from backplane.storage.records import Records
from messaging.errors import refuse
from ringline.protocol import resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, ContactState

WRITTEN_PAIRS_MAX = 50_000
WRITTEN_LIFETIME_MS = 10 * 60 * 1000


class Contacts:
    def __init__(self, *, records: Records, queues: DeviceQueues, clock: Callable[[], int]) -> None:
        self._records = records
        self._queues = queues
        self._clock = clock
        self._written: dict[tuple[UUID, UUID], int] = {}
        """Pairs whose states a send has raised, and until when that is believed: a removed contact
        leaves it on this node at once, on others when it grows old."""
        self._writing: set[tuple[UUID, UUID]] = set()
        """Pairs that a send is raising now: those behind it in the pipe need not do it again."""

    async def list(self, caller: Address) -> resources.Contacts:
        records = await self._records.contacts(caller.account)
        return resources.Contacts(
            contacts=[resources.Contact(account=r.peer, state=r.state) for r in records]
        )

    async def accept(self, caller: Address, account: UUID) -> resources.Contact:
        """Raises Refused (not-found) for an unknown account."""
        if not await self._queues.devices(account):
            raise refuse(ProblemType.NOT_FOUND)
        await self._records.raise_contact(
            caller.account, account, ContactState.ACCEPTED, self._clock()
        )
        return resources.Contact(account=account, state=ContactState.ACCEPTED)

    async def remove(self, caller: Address, account: UUID) -> None:
        """Raises Refused (not-found)."""
        self._written.pop((caller.account, account), None)
        self._written.pop((account, caller.account), None)
        if not await self._records.remove_contact(caller.account, account):
            raise refuse(ProblemType.NOT_FOUND)

    async def is_accepted(self, owner: UUID, peer: UUID) -> bool:
        return owner == peer or await self._records.contact(owner, peer) is ContactState.ACCEPTED

    def is_written(self, sender: UUID, recipient: UUID) -> bool:
        """Whether `written` has nothing to do: the warm path of a send."""
        pair = (sender, recipient)
        known = self._written.get(pair, 0) > self._clock()
        return sender == recipient or known or pair in self._writing

    async def written(self, sender: UUID, recipient: UUID) -> None:
        """The sender wrote: that accepts the recipient, and asks to be accepted."""
        pair, now = (sender, recipient), self._clock()
        self._writing.add(pair)
        try:
            await self._records.raise_contact(sender, recipient, ContactState.ACCEPTED, now)
            await self._records.raise_contact(recipient, sender, ContactState.REQUESTED, now)
        finally:
            self._writing.discard(pair)
        self._written.pop(pair, None)
        while len(self._written) >= WRITTEN_PAIRS_MAX:
            del self._written[next(iter(self._written))]
        self._written[pair] = now + WRITTEN_LIFETIME_MS
