"""From a token to a connection that is the device's: the steps in an order that leaves no gap.

1. The token says which device. 2. The connection takes its place in the table, so that a revocation
from now on finds it. 3. The queue is looked up: a revocation before step 2 has deleted it. 4. What
the client says it has kept is acknowledged. 5. The lease. 6. `ready`, and the first fetch.
"""

from collections.abc import Callable

from backplane.storage.device_queues import DeviceQueues, FetchRequest, QueueHead
from messaging.access import Access
from messaging.mailbox import Mailbox
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import decode_entry
from ringline.protocol.frames import Authenticate, Refresh
from ringline.protocol.types import Address
from signaling.connections import Connection, Connections
from signaling.delivery import Delivery
from signaling.leases import Leases
from signaling.refusals import Expected, problem_of

RESUME_BATCH_ENTRIES_MAX = 64


class Login:
    def __init__(
        self,
        *,
        access: Access,
        queues: DeviceQueues,
        mailbox: Mailbox,
        connections: Connections,
        leases: Leases,
        delivery: Delivery,
        clock: Callable[[], int],
    ) -> None:
        self._access = access
        self._queues = queues
        self._mailbox = mailbox
        self._connections = connections
        self._leases = leases
        self._delivery = delivery
        self._clock = clock

    async def log_in(self, connection: Connection, frame: Authenticate) -> bool:
        """Whether the token was good; the connection is told either way. Raises nothing expected."""
        session = connection.session
        try:
            session.authenticated(await self._access.authenticate(frame.token))
            self._take_place(connection)
            head = await self._queues.head(session.address)
            if head is None:
                connection.close(CloseCode.DEVICE_REVOKED)
                return False
            await self._resume(session.address, frame.resume_after, head)
            head = await self._queues.head(session.address) or head
        except Expected as error:
            connection.perform(session.login_refused(frame.ref, problem_of(error)))
            return False
        await self._leases.acquire(connection)
        connection.perform(session.ready(frame.ref, head.backlog, self._clock()))
        self._delivery.mark_behind(connection)
        return True

    def _take_place(self, connection: Connection) -> None:
        before = self._connections.add(connection)
        if before is not None:
            before.close(CloseCode.REPLACED)

    async def _resume(self, address: Address, resume_after: int | None, head: QueueHead) -> None:
        # A position that this queue never gave is of a queue that is no more: it says nothing here.
        if not resume_after or resume_after > head.last_position:
            return
        after = 0
        while True:
            request = FetchRequest(address, after, RESUME_BATCH_ENTRIES_MAX)
            (entries,) = await self._queues.fetch([request], self._clock())
            kept = {
                e.position: decode_entry(e.payload) for e in entries if e.position <= resume_after
            }
            if not kept:
                return
            await self._mailbox.acknowledge(address, kept)
            after = max(kept)

    async def refresh(self, connection: Connection, frame: Refresh) -> None:
        """Raises nothing expected."""
        session = connection.session
        try:
            grant = await self._access.authenticate(frame.token)
        except Expected as error:
            connection.perform(session.refused(frame.ref, problem_of(error)))
            return
        connection.perform(session.refreshed(frame.ref, grant))
