"""The wiring of a relay."""

import asyncio
import resource
import secrets as random
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

import structlog
from aiohttp import web
from msgspec import structs

from backplane.errors import WorldError
from backplane.registry.ports import Node, Registry
from backplane.telemetry.admin_aiohttp import AdminDoor
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.listener_aiohttp import Listener
from backplane.telemetry.metrics import Metrics
from turn.net.deadlines import RegistryDeadlines
from turn.net.own_addresses import own_addresses
from turn.net.relayed_ports import Ports
from turn.net.udp_socket import UdpSocket, bind
from turn.server import Place, Server
from turn.settings import RelaySettings
from turn.stun import Address

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Of the listening socket: half a second of a flood. The system may grant less (net.core.rmem_max)."""
DESCRIPTORS_RESERVED: Final = 64
"""For the registry, health, metrics and the process itself."""
NODE_NAME_BYTES: Final = 4
TICK_S: Final = 0.5
OWN_ADDRESSES_S: Final = 30
"""The machine's addresses are read again this often."""
ANNOUNCED_LIVES: Final = 3
ROLE: Final = "turn"

_log = structlog.get_logger()


def utc_s() -> float:
    return time.time()


def build_relay(
    settings: RelaySettings,
    *,
    secrets: Sequence[str],
    registry: Registry,
    metrics: Metrics,
    health: Health,
    clock: Callable[[], float] = utc_s,
    entropy: Callable[[int], bytes] = random.token_bytes,
) -> "Relay":
    """`secrets`: the current one, then those still taken. Raises ValueError for none, or an empty one."""
    if not secrets or not all(secrets):
        raise ValueError("the relay needs a secret")
    return Relay(settings, secrets, registry, metrics, health, clock, entropy)


class Relay:
    """`await start()`, then `await stop()`, once each. The registry belongs to whoever built it."""

    def __init__(
        self,
        settings: RelaySettings,
        secrets: Sequence[str],
        registry: Registry,
        metrics: Metrics,
        health: Health,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.node = settings.node or f"turn-{entropy(NODE_NAME_BYTES).hex()}"
        self._settings = settings
        self._secrets = secrets
        self._registry = registry
        self._metrics = metrics
        self._clock = clock
        self._entropy = entropy
        self._admin_door = AdminDoor(metrics, health)
        self._admin_listener = Listener(web.Server(self._admin_door.handle, access_log=None))
        self._deadlines = RegistryDeadlines(registry.relay_deadlines)
        self._loops: list[asyncio.Task[None]] = []
        self._socket: UdpSocket | None = None
        self._server: Server | None = None
        self.bound: Address = ("", 0)
        """Where it listens, UDP."""
        self.admin: Address = ("", 0)

    async def start(self) -> None:
        """Raises OSError when an address cannot be bound."""
        settings = self._settings
        listening = bind(settings.host, settings.port, BUFFER_BYTES)
        host = str(listening.getsockname()[0])
        try:
            ports = Ports(
                host, settings.relayed_port_min, settings.relayed_port_max, self._from_peer
            )
            self._server = self._make_server(host, ports)
            self.admin = await self._admin_listener.start(
                settings.admin_host, settings.admin_port, None
            )
        except BaseException:
            listening.close()
            raise
        self._socket = UdpSocket(listening, self._from_client)
        self.bound = self._socket.address
        self._show(self._server)
        self._loops = [asyncio.create_task(self._tick()), asyncio.create_task(self._announce())]
        _log.info("relay started", node=self.node, port=self.bound[1], admin_port=self.admin[1])

    def _make_server(self, host: str, ports: Ports) -> Server:
        settings = self._settings
        external = str(ip_address(settings.external_address or host))
        return Server(
            _within_descriptors(settings),
            self._secrets,
            Place(host, external, frozenset({host, external, *own_addresses()})),
            ports=ports,
            deadlines=self._deadlines,
            send=self._send,
            utc_s=self._clock,
            entropy=self._entropy,
        )

    def _show(self, server: Server) -> None:
        counts, metrics = server.counts, self._metrics
        metrics.watch("relay_packets", "Relayed, by direction", "direction", lambda: counts.packets)
        metrics.watch(
            "relay_octets", "Relayed payload, by direction", "direction", lambda: counts.octets
        )
        metrics.watch(
            "relay_dropped", "Datagrams that went nowhere", "reason", lambda: counts.dropped
        )
        metrics.watch("relay_refused", "Error replies made", "code", lambda: counts.refused)
        metrics.watch(
            "relay_allocations", "What became of allocations", "event", lambda: counts.allocations
        )
        metrics.watch(
            "relay_challenges_dropped",
            "Replies to strangers held back",
            "reason",
            lambda: {"budget": server.budget.dropped},
        )
        metrics.watch(
            "relay_deadlines_unanswered",
            "Refreshes that the registry did not speak to",
            "reason",
            lambda: {"registry": self._deadlines.unanswered},
        )
        metrics.watch_gauge(
            "relay_allocations_live", "Allocations now", lambda: len(server.allocations)
        )

    # Datagrams.

    def _from_client(self, data: bytes, source: Address) -> None:
        assert self._server is not None
        if data and 0x40 <= data[0] <= 0x4F:
            self._server.channel_data(data, source, time.monotonic())
        else:
            self._server.received(data, source, time.monotonic())

    def _from_peer(self, port: int, data: bytes, source: Address) -> None:
        assert self._server is not None
        self._server.peer_data(port, data, source, time.monotonic())

    def _send(self, data: bytes, client: Address) -> bool:
        return self._socket is not None and self._socket.send(data, client)

    # Time.

    async def _tick(self) -> None:
        assert self._server is not None
        since = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            self._server.expire(time.monotonic())
            since += TICK_S
            if since >= OWN_ADDRESSES_S:
                since = 0.0
                self._learn_addresses(self._server)

    def _learn_addresses(self, server: Server) -> None:
        try:
            server.owns(own_addresses())
        except OSError as error:
            _log.warning("cannot read this machine's addresses", error=str(error))

    async def _announce(self) -> None:
        """While the registry is away the relay goes on; it is found again when it is back."""
        settings = self._settings
        lifetime_ms = round(settings.announce_s * 1000 * ANNOUNCED_LIVES)
        while True:
            try:
                await self._registry.nodes.announce(self.describe(), lifetime_ms)
            except WorldError as error:
                _log.warning("not announced", error=str(error))
            await asyncio.sleep(settings.announce_s)

    def describe(self) -> Node:
        """As the registry has it."""
        host = str(ip_address(self._settings.external_address or self.bound[0]))
        host = f"[{host}]" if ":" in host else host
        load = self._server.load if self._server is not None else 0.0
        return Node(self.node, ROLE, f"turn:{host}:{self.bound[1]}?transport=udp", load)

    async def stop(self) -> None:
        """Every allocation ends; nobody is sent here any more."""
        self._admin_door.stopping = True
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        try:
            await self._registry.nodes.withdraw(self.node)
        except WorldError as error:
            _log.warning("not withdrawn", error=str(error))
        await self._deadlines.stop()
        if self._server is not None:
            self._server.end_all()
        if self._socket is not None:
            self._socket.close()
        self._admin_listener.stop_accepting()
        await self._admin_listener.stop(self._settings.stop_timeout_s)
        _log.info("relay stopped", node=self.node)


def _within_descriptors(settings: RelaySettings) -> RelaySettings:
    """An allocation is a descriptor. With none left, health and metrics could not be asked for either."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings
    room = max(1, soft - DESCRIPTORS_RESERVED)
    if room < settings.allocations_max:
        _log.warning("fewer allocations than allowed: too few descriptors", allocations_max=room)
    return structs.replace(settings, allocations_max=min(settings.allocations_max, room))
