"""The presence leases of this node's connections, and what others are told of them.

The registry being away closes nobody: a connection without a lease works, is seen off line by the
others for that time, and gets its lease with the next renewal. It does not take one then that
somebody holds already: who of the two is newer is not known here, and the client settles it by
coming back.
"""

from collections.abc import Callable
from typing import Final

import structlog

from backplane.bus.ports import Bus, Displaced, PresenceChanged
from backplane.errors import WorldError
from backplane.registry.ports import AccountPresence, Lease, PresenceRegistry
from backplane.telemetry.metrics import Metrics
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address, PresenceState
from signaling.connections import Connection, Connections

RENEW_BATCH_LEASES_MAX: Final = 256

_log = structlog.get_logger()


class Leases:
    def __init__(
        self,
        *,
        node: str,
        presence: PresenceRegistry,
        bus: Bus,
        connections: Connections,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self._node = node
        self._presence = presence
        self._bus = bus
        self._connections = connections
        self._metrics = metrics
        self._clock = clock
        self._held: dict[str, Lease] = {}
        """By session."""

    async def acquire(self, connection: Connection) -> None:
        """The device is on line here. Raises nothing of the world."""
        try:
            await self._acquire(connection)
        except WorldError:
            self._failed("acquire")

    async def _acquire(self, connection: Connection) -> None:
        session = connection.session
        lease, displaced = await self._presence.acquire(session.address, self._node, session.id)
        if self._connections.get(session.address) is not connection:
            await self._presence.release(lease, self._clock())
            return
        self._held[session.id] = lease
        self._metrics.leases_held.set(len(self._held))
        self._metrics.leases.labels(event="acquired").inc()
        if displaced is None:
            await self._announce(session.address, AccountPresence(online=True, last_seen=None))
        elif displaced.node != self._node:
            notice = Displaced(address=session.address, fence=lease.fence)
            await self._bus.tell([displaced.node], notice)

    def displaced(self, notice: Displaced) -> None:
        """Another node holds a newer lease of that device."""
        connection = self._connections.get(notice.address)
        if connection is None:
            return
        lease = self._held.get(connection.session.id)
        if lease is not None and lease.fence < notice.fence:
            connection.close(CloseCode.REPLACED)

    async def renew(self) -> None:
        """All leases, in batches; also those that could not be had before. Raises Unavailable."""
        held = [
            (c, self._held[c.session.id]) for c in self._connections if c.session.id in self._held
        ]
        for start in range(0, len(held), RENEW_BATCH_LEASES_MAX):
            batch = held[start : start + RENEW_BATCH_LEASES_MAX]
            answers = await self._presence.renew([lease for _, lease in batch])
            for (connection, lease), ours in zip(batch, answers, strict=True):
                await self._renewed(connection, lease, ours)
        await self._acquire_missing()

    async def _renewed(self, connection: Connection, lease: Lease, ours: bool) -> None:
        if connection.session.id not in self._held:
            # It left meanwhile, and renewing may have brought its lease back.
            await self._presence.release(lease, self._clock())
        elif not ours:
            self._metrics.leases.labels(event="displaced").inc()
            connection.close(CloseCode.REPLACED)

    async def _acquire_missing(self) -> None:
        missing = [c for c in self._connections if c.session.id not in self._held]
        for start in range(0, len(missing), RENEW_BATCH_LEASES_MAX):
            batch = missing[start : start + RENEW_BATCH_LEASES_MAX]
            holders = await self._presence.locate([c.session.address for c in batch])
            for connection, holder in zip(batch, holders, strict=True):
                if holder is None:
                    await self._acquire(connection)
                elif holder.session != connection.session.id:
                    connection.close(CloseCode.TRY_AGAIN_LATER)

    async def release(self, session_id: str, address: Address) -> None:
        """The connection is gone; the others are told if it was the account's last. Raises Unavailable."""
        lease = self._held.pop(session_id, None)
        self._metrics.leases_held.set(len(self._held))
        if lease is None or not await self._presence.release(lease, self._clock()):
            return
        self._metrics.leases.labels(event="released").inc()
        now = (await self._presence.presence([address.account]))[0]
        if not now.online:
            await self._announce(address, now)

    async def _announce(self, address: Address, presence: AccountPresence) -> None:
        state = PresenceState.ONLINE if presence.online else PresenceState.OFFLINE
        await self._bus.tell_all(
            PresenceChanged(account=address.account, state=state, last_seen=presence.last_seen)
        )

    def _failed(self, call: str) -> None:
        self._metrics.registry_errors.labels(call=call).inc()
        _log.warning("registry call failed", call=call)
