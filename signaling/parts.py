"""What every connection and request of a gateway works with, put together by `signaling.app`."""

from collections.abc import Callable
from dataclasses import dataclass

from backplane.storage.records import Records
from backplane.telemetry.metrics import Metrics
from messaging.access import Access
from signaling.admission import Admission
from signaling.bus_messages import Background
from signaling.client_address import ClientAddresses
from signaling.connections import Connection, Connections
from signaling.delivery import Delivery
from signaling.leases import Leases
from signaling.live import Live
from signaling.login import Login
from signaling.operations import Operations
from signaling.origin import OriginRule
from signaling.rate import TokenBuckets
from signaling.settings import GatewaySettings
from signaling.watchers import Watchers


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    settings: GatewaySettings
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]
    metrics: Metrics
    access: Access
    records: Records
    operations: Operations
    connections: Connections
    delivery: Delivery
    leases: Leases
    watchers: Watchers
    login: Login
    live: Live
    background: Background
    admission: Admission
    origins: OriginRule
    client_addresses: ClientAddresses
    account_buckets: TokenBuckets
    address_buckets: TokenBuckets

    def left(self, connection: Connection) -> None:
        """The connection is gone."""
        session = connection.session
        if not session.known:
            return
        address, now = session.address, self.clock()
        self.connections.remove(connection)
        self.delivery.forget(connection)
        self.watchers.forget(connection)
        self.background("release", lambda: self.leases.release(session.id, address))
        self.background("seen", lambda: self.records.seen([address], now))
