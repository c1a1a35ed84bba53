"""From the queues to the connections of this node, by pull.

A commit names the devices whose queues grew; the local ones are marked and one pump fetches for all
marked ones at once. A mark may be lost (another node's commit, a bus that was away): `poll` marks
everyone in turn. What a fetch returns is what was committed, so a mark too many costs a fetch and
nothing else. Rejected: handing the committed entry itself to the connection, which needs a second
order beside the queue's positions.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from backplane.errors import WorldError
from backplane.storage.device_queues import DeviceQueues, FetchRequest, QueueEntry
from backplane.telemetry.metrics import Metrics
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.frames import CaughtUp
from ringline.protocol.types import Address
from signaling.connections import Connection, Connections
from signaling.session import Emit, SessionState

FETCH_REQUESTS_MAX: Final = 32
"""Connections served by one fetch; each may give 1 MiB."""

_log = structlog.get_logger()


class Delivery:
    """`clock`: UTC milliseconds. `wake`: the pump has something to do."""

    def __init__(
        self,
        connections: Connections,
        queues: DeviceQueues,
        metrics: Metrics,
        clock: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._connections = connections
        self._queues = queues
        self._metrics = metrics
        self._clock = clock
        self._wake = wake
        self._marked: dict[Connection, None] = {}
        self._poll_order: list[Connection] = []

    def mark(self, addresses: Sequence[Address]) -> list[Address]:
        """Their queues have something new: those that are not connected here."""
        elsewhere = []
        for address in addresses:
            connection = self._connections.get(address)
            if connection is None:
                elsewhere.append(address)
            else:
                self.mark_behind(connection)
        return elsewhere

    def mark_behind(self, connection: Connection) -> None:
        connection.session.window.behind = True
        self.mark_hungry(connection)

    def mark_hungry(self, connection: Connection) -> None:
        """Its window has room again."""
        session = connection.session
        if session.state is SessionState.READY and session.window.hungry:
            self._marked[connection] = None
            self._wake()

    def mark_all(self) -> None:
        for connection in self._connections:
            self.mark_behind(connection)

    def poll(self, steps: int) -> None:
        """Mark a part of all connections, so that `steps` calls mark everyone."""
        if not self._poll_order:
            self._poll_order = list(self._connections)
        share = max(1, -(-len(self._connections) // steps))
        for connection in self._poll_order[-share:]:
            self.mark_behind(connection)
        del self._poll_order[-share:]

    def forget(self, connection: Connection) -> None:
        self._marked.pop(connection, None)

    @property
    def pending(self) -> bool:
        return bool(self._marked)

    async def step(self) -> None:
        """One grouped fetch for marked connections, and hand out what it gave.

        Raises WorldError; the connections stay marked then.
        """
        batch = self._take()
        if not batch:
            return
        requests = [
            FetchRequest(c.session.address, c.session.window.fetched_to, c.session.window.room)
            for c in batch
        ]
        try:
            answers = await self._queues.fetch(requests, self._clock())
        except WorldError:
            for connection in batch:
                self.mark_behind(connection)
            raise
        for connection, request, entries in zip(batch, requests, answers, strict=True):
            self._hand(connection, entries, request.limit)

    def _take(self) -> list[Connection]:
        batch: list[Connection] = []
        while self._marked and len(batch) < FETCH_REQUESTS_MAX:
            connection = next(iter(self._marked))
            del self._marked[connection]
            if connection.session.state is SessionState.READY and connection.session.window.hungry:
                # Before the fetch: what is committed while it runs marks anew.
                connection.session.window.behind = False
                batch.append(connection)
        return batch

    def _hand(self, connection: Connection, entries: Sequence[QueueEntry], asked: int) -> None:
        try:
            actions = connection.session.deliver(entries, asked)
        except Exception as error:  # ours: it ends this connection, not the pump
            _log.error("entry not deliverable", error=type(error).__name__)
            connection.close(CloseCode.INTERNAL_ERROR)
            return
        live = bool(actions) and actions[-1] == Emit(CaughtUp())
        self._metrics.messages_delivered.inc(len(actions) - live)
        connection.perform(actions)
        self.mark_hungry(connection)
