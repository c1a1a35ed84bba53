"""The wiring of a gateway."""

import asyncio
import resource
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web

from backplane.telemetry.admin_aiohttp import AdminDoor
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.listener_aiohttp import Listener
from backplane.telemetry.metrics import Metrics
from messaging.app import Messaging
from messaging.operator_account import OperatorAccounts
from ringline.protocol.types import Address
from signaling.admission import Admission
from signaling.bus_messages import BusMessages
from signaling.client_address import ClientAddresses
from signaling.connections import Connections
from signaling.delivery import Delivery
from signaling.gateway_secrets import GatewaySecrets
from signaling.group_call_desk import GroupCallDesk
from signaling.leases import Leases
from signaling.live import Live, TypingRelay
from signaling.login import Login
from signaling.net.chores import Chores
from signaling.net.http_server import HttpServer
from signaling.net.loops import Trigger, repeat
from signaling.net.operator import PREFIX, OperatorDoor
from signaling.net.rest import RestDoor
from signaling.net.sfu_proxy import SfuProxy
from signaling.net.socket import SocketDoor
from signaling.net.tls import load_certificate, open_tls
from signaling.notifier import Notifier
from signaling.operations import CallDesk, Operations
from signaling.origin import OriginRule
from signaling.parts import Parts
from signaling.rate import TokenBuckets
from signaling.relay_issuer import RelayIssuer
from signaling.remote_wakes import RemoteWakes
from signaling.settings import GatewaySettings
from signaling.watchers import Watchers

TICK_S: Final = 1.0
SWEEP_BATCH_ENTRIES_MAX: Final = 1_000
SWEEP_BATCHES_MAX: Final = 50
NODE_NAME_BYTES: Final = 4
NO_SECRETS: Final = GatewaySecrets()

_log = structlog.get_logger()


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class BoundAddresses:
    """Host and port of each door."""

    public: tuple[str, int]
    admin: tuple[str, int]


def build_gateway(
    settings: GatewaySettings,
    messaging: Messaging,
    call_desk: CallDesk,
    *,
    notifier: Notifier,
    metrics: Metrics,
    health: Health,
    gateway_secrets: GatewaySecrets = NO_SECRETS,
    clock: Callable[[], int] = utc_ms,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> "Gateway":
    """`notifier` is what `messaging` and `call_desk` were built with: its wakes come here from now on.

    Raises OSError for a certificate that cannot be read, ValueError for a wrong setting.
    """
    gateway = Gateway(
        settings,
        messaging,
        call_desk,
        metrics=metrics,
        health=health,
        gateway_secrets=gateway_secrets,
        clock=clock,
        entropy=entropy,
    )
    notifier.connect(gateway.notify)
    return gateway


class Gateway:
    """`await start()`, then `await stop()`, once each.

    The stores, the registry and the bus belong to whoever built them: the gateway begins to listen on
    the bus and shuts none of them.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        messaging: Messaging,
        call_desk: CallDesk,
        *,
        metrics: Metrics,
        health: Health,
        gateway_secrets: GatewaySecrets,
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.node = settings.node or f"gateway-{entropy(NODE_NAME_BYTES).hex()}"
        self._settings = settings
        self._messaging = messaging
        self._call_desk = call_desk
        self._metrics = metrics
        self._secrets = gateway_secrets
        self._clock = clock
        self._entropy = entropy
        self._tls = open_tls(settings)
        self._chores = Chores(metrics)
        self._connections = Connections()
        self._wire_delivery()
        self._wire_people()
        self._wire_doors(health)
        self._loops: list[asyncio.Task[None]] = []
        self._bound: BoundAddresses | None = None

    def _wire_delivery(self) -> None:
        messaging, metrics = self._messaging, self._metrics
        self._pump = Trigger("fetch", metrics)
        self._delivery = Delivery(
            self._connections, messaging.queues, metrics, self._clock, self._pump.fire
        )
        self._relay = Trigger("wake", metrics)
        self._wakes = RemoteWakes(
            self.node, messaging.registry.presence, messaging.bus, metrics, self._relay.fire
        )

    def _wire_people(self) -> None:
        messaging, presence = self._messaging, self._messaging.registry.presence
        self._leases = Leases(
            node=self.node,
            presence=presence,
            bus=messaging.bus,
            connections=self._connections,
            metrics=self._metrics,
            clock=self._clock,
        )
        self._watchers = Watchers(messaging.contacts, presence)
        self._typing = TypingRelay(
            self.node, self._connections, messaging.queues, presence, messaging.bus
        )
        self._bus_messages = BusMessages(
            connections=self._connections,
            delivery=self._delivery,
            leases=self._leases,
            watchers=self._watchers,
            typing=self._typing,
            queues=messaging.queues,
            background=self._chores.add,
        )

    def _wire_doors(self, health: Health) -> None:
        parts = self._parts()
        self._socket = SocketDoor(parts)
        settings, messaging = self._settings, self._messaging
        self._operator_accounts = OperatorAccounts(
            records=messaging.records,
            queues=messaging.queues,
            tokens=messaging.registry.tokens,
            bus=messaging.bus,
            clock=self._clock,
            entropy=self._entropy,
        )
        operator = OperatorDoor(self._secrets.operator_token, self._operator_accounts)
        self._admin = AdminDoor(self._metrics, health, {PREFIX: operator.handle})
        nodes = messaging.registry.nodes
        self._proxy = SfuProxy(parts, self._socket, nodes, settings.sfu_connections_max)
        rest = RestDoor(parts, self._socket, self._proxy)
        server = HttpServer(
            rest.handle, self._settings, parts.admission, parts.client_addresses, self._metrics
        )
        self._public_listener = Listener(server)
        self._admin_listener = Listener(web.Server(self._admin.handle, access_log=None))

    def _parts(self) -> Parts:
        settings, messaging = self._settings, self._messaging
        return Parts(
            settings=settings,
            clock=self._clock,
            entropy=self._entropy,
            metrics=self._metrics,
            access=messaging.access,
            records=messaging.records,
            operations=self._operations(),
            connections=self._connections,
            delivery=self._delivery,
            leases=self._leases,
            watchers=self._watchers,
            login=self._login(),
            live=self._live(),
            background=self._chores.add,
            admission=Admission(
                _connections_max(settings), settings.anonymous_connections_per_address_max
            ),
            origins=OriginRule(settings.allowed_origins),
            client_addresses=ClientAddresses(settings.trusted_proxies),
            account_buckets=TokenBuckets(
                settings.account_frames_per_s, settings.account_frames_burst
            ),
            address_buckets=TokenBuckets(
                settings.address_requests_per_s, settings.address_requests_burst
            ),
        )

    def _operations(self) -> Operations:
        settings, messaging = self._settings, self._messaging
        self._group_calls = GroupCallDesk(
            records=messaging.records,
            registry=messaging.registry,
            bus=messaging.bus,
            signer=self._secrets.tickets,
            metrics=self._metrics,
            calls_per_account_hour=settings.group_calls_per_account_hour,
            tickets_per_account_minute=settings.join_tickets_per_account_minute,
            clock=self._clock,
            entropy=self._entropy,
        )
        relays = RelayIssuer(
            records=messaging.records,
            registry=messaging.registry,
            secrets=self._secrets,
            metrics=self._metrics,
            credentials_per_account_hour=settings.relay_credentials_per_account_hour,
            clock=self._clock,
        )
        return Operations(messaging, self._call_desk, self._group_calls, relays)

    def _login(self) -> Login:
        return Login(
            access=self._messaging.access,
            queues=self._messaging.queues,
            mailbox=self._messaging.mailbox,
            connections=self._connections,
            leases=self._leases,
            delivery=self._delivery,
            clock=self._clock,
        )

    def _live(self) -> Live:
        return Live(
            mailbox=self._messaging.mailbox,
            contacts=self._messaging.contacts,
            call_desk=self._call_desk,
            watchers=self._watchers,
            typing=self._typing,
            metrics=self._metrics,
            monotonic=time.monotonic,
        )

    @property
    def bound_addresses(self) -> BoundAddresses:
        if self._bound is None:
            raise AssertionError("the gateway has not been started")
        return self._bound

    def notify(self, addresses: Sequence[Address]) -> None:
        """These queues have something new. Returns at once; the rest is off the caller's path."""
        self._wakes.add(self._delivery.mark(addresses))

    async def start(self) -> None:
        """Raises OSError when an address cannot be bound."""
        settings = self._settings
        self._chores.start()
        listen = self._bus_messages
        await self._messaging.bus.start(self.node, listen.received, listen.missed)
        self._loops = [asyncio.create_task(loop) for loop in self._forever()]
        self._bound = BoundAddresses(
            await self._public_listener.start(settings.host, settings.port, self._tls),
            await self._admin_listener.start(settings.admin_host, settings.admin_port, None),
        )
        _log.info(
            "gateway started",
            node=self.node,
            port=self._bound.public[1],
            admin_port=self._bound.admin[1],
            tls=self._tls is not None,
        )

    def _forever(self) -> list[Coroutine[Any, Any, None]]:
        settings, metrics = self._settings, self._metrics
        return [
            self._pump.run(self._delivery),
            self._relay.run(self._wakes),
            repeat("tick", TICK_S, self.tick, metrics),
            repeat("renew", settings.lease_renewal_s, self.renew_leases, metrics),
            repeat("expire-calls", settings.call_expiry_s, self._call_desk.expire_due, metrics),
            repeat("sweep", settings.sweep_s, self._sweep, metrics),
        ]

    async def renew_leases(self) -> None:
        """Every `lease_renewal_s` by itself. Raises Unavailable."""
        await self._leases.renew()

    async def tick(self) -> None:
        """Once a second by itself: what time does to the connections."""
        self._socket.tick()
        self._delivery.poll(max(1, round(self._settings.slow_poll_s / TICK_S)))

    async def _sweep(self) -> None:
        """The queues first: they need no registry."""
        for _ in range(SWEEP_BATCHES_MAX):
            swept = await self._messaging.queues.sweep(self._clock(), SWEEP_BATCH_ENTRIES_MAX)
            if swept < SWEEP_BATCH_ENTRIES_MAX:
                break
        await self._operator_accounts.sweep()
        await self._group_calls.sweep()

    def reload_certificate(self) -> None:
        """From the same files; open connections keep theirs. Raises OSError."""
        if self._tls is not None:
            load_certificate(self._tls, self._settings)

    async def stop(self) -> None:
        """Accept nothing more, answer what is in work, send everyone away, tell the registry."""
        timeout_s = self._settings.stop_timeout_s
        self._admin.stopping = True
        self._public_listener.stop_accepting()
        await asyncio.gather(self._socket.close(), self._proxy.close())
        await self._public_listener.stop(timeout_s)
        await self._chores.stop(timeout_s)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._admin_listener.stop_accepting()
        await self._admin_listener.stop(timeout_s)
        _log.info("gateway stopped", node=self.node)


def _connections_max(settings: GatewaySettings) -> int:
    """What is left of the descriptors when the stores have theirs."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings.connections_max
    return max(1, min(settings.connections_max, soft - settings.descriptors_reserved))
