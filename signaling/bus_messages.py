"""What this node does on word from other nodes. Nothing here blocks: what needs a store is a chore."""

from collections.abc import Awaitable, Callable

from backplane.bus.ports import (
    AnyBusMessage,
    Displaced,
    GroupCallEnded,
    MemberRemoved,
    PresenceChanged,
    Revoked,
    TypingRelayed,
    Wake,
)
from backplane.storage.device_queues import DeviceQueues
from ringline.protocol.close_codes import CloseCode
from signaling.connections import Connections
from signaling.delivery import Delivery
from signaling.leases import Leases
from signaling.live import TypingRelay
from signaling.watchers import Watchers

Chore = Callable[[], Awaitable[None]]
Background = Callable[[str, Chore], None]
"""Run it soon, by its name in the logs; dropped and counted when too many wait."""


class BusMessages:
    def __init__(
        self,
        *,
        connections: Connections,
        delivery: Delivery,
        leases: Leases,
        watchers: Watchers,
        typing: TypingRelay,
        queues: DeviceQueues,
        background: Background,
    ) -> None:
        self._connections = connections
        self._delivery = delivery
        self._leases = leases
        self._watchers = watchers
        self._typing = typing
        self._queues = queues
        self._background = background

    def received(self, message: AnyBusMessage) -> None:
        match message:
            case Wake():
                self._delivery.mark(message.addresses)
            case Displaced():
                self._leases.displaced(message)
            case Revoked():
                code = CloseCode.ACCOUNT_REPLACED if message.replaced else CloseCode.DEVICE_REVOKED
                self._connections.close(message.addresses, code)
            case TypingRelayed():
                self._typing.show(message)
            case PresenceChanged():
                self._presence_changed(message)
            case MemberRemoved() | GroupCallEnded():
                pass  # for SFU nodes

    def _presence_changed(self, notice: PresenceChanged) -> None:
        if self._watchers.watched(notice.account):
            self._background("presence", lambda: self._watchers.changed(notice))

    def missed(self) -> None:
        """Messages may have been lost: look at every queue, and whether it is still there."""
        self._delivery.mark_all()
        self._background("revocations", self.close_revoked)

    async def close_revoked(self) -> None:
        """Close the connections whose queue is gone. Raises WorldError."""
        for connection in self._connections:
            if await self._queues.head(connection.session.address) is None:
                connection.close(CloseCode.DEVICE_REVOKED)
