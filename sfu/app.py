"""The wiring of an SFU node."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web

from backplane.bus.ports import AnyBusMessage, Bus, GroupCallEnded, MemberRemoved
from backplane.errors import WorldError
from backplane.registry.ports import Node, Registry
from backplane.telemetry.admin_aiohttp import AdminDoor
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.listener_aiohttp import Listener
from backplane.telemetry.metrics import Metrics
from backplane.tickets import TicketVerifier
from sfu.admission import Admission
from sfu.calls import Calls
from sfu.net.connection import Parts
from sfu.net.media_port import MediaPort
from sfu.net.signalling import SignallingDoor
from sfu.plane import SocketAddress
from sfu.settings import SfuSettings

ROLE: Final = "sfu"
NODE_NAME_BYTES: Final = 4
TICK_S: Final = 0.05
EXPIRE_S: Final = 1.0
ANNOUNCED_LIVES: Final = 3

_log = structlog.get_logger()


def utc_s() -> float:
    return time.time()


def build_sfu(
    settings: SfuSettings,
    *,
    verifier: TicketVerifier,
    registry: Registry,
    bus: Bus,
    metrics: Metrics,
    health: Health,
    clock: Callable[[], float] = utc_s,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> "Sfu":
    """`clock` is UTC in seconds."""
    return Sfu(settings, verifier, registry, bus, metrics, health, clock, entropy)


class Sfu:
    """`await start()`, then `await stop()`, once each. The registry and the bus belong to whoever built
    them; media goes on while they are away."""

    def __init__(
        self,
        settings: SfuSettings,
        verifier: TicketVerifier,
        registry: Registry,
        bus: Bus,
        metrics: Metrics,
        health: Health,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.node = f"{settings.node or ROLE}-{entropy(NODE_NAME_BYTES).hex()}"
        self._settings = settings
        self._registry = registry
        self._bus = bus
        self._closed: Counter[str] = Counter()
        self._calls = Calls(settings, time.monotonic, entropy, self._over)
        self._media = MediaPort(settings, self._calls, self._calls, entropy=entropy)
        self._admission = Admission(
            self.node,
            verifier,
            registry.removals,
            registry.relay_deadlines,
            self._calls,
            settings.tickets_remembered_max,
            clock,
        )
        parts = Parts(settings, self._calls, self._admission, time.monotonic, self._count_close)
        self._door = SignallingDoor(self.node, parts)
        self._listener = Listener(web.Server(self._door.handle, access_log=None))
        self._admin_door = AdminDoor(metrics, health)
        self._admin_listener = Listener(web.Server(self._admin_door.handle, access_log=None))
        self._metrics = metrics
        self._has_missed = False
        self._loops: list[asyncio.Task[None]] = []
        self._chores: set[asyncio.Task[None]] = set()
        self.signalling_address: SocketAddress = ("", 0)
        self.admin_address: SocketAddress = ("", 0)

    @property
    def media_address(self) -> SocketAddress:
        """Where media comes to, UDP."""
        return self._media.address

    async def start(self) -> None:
        """Raises OSError when an address cannot be bound."""
        settings = self._settings
        await self._media.start()
        self._calls.attach(self._media)
        try:
            self.signalling_address = await self._listener.start(
                settings.signalling_host, settings.signalling_port, None
            )
            self.admin_address = await self._admin_listener.start(
                settings.admin_host, settings.admin_port, None
            )
        except OSError:
            self._listener.stop_accepting()
            await self._media.stop()
            raise
        await self._bus.start(self.node, self._told, self._missed)
        self._show()
        self._loops = [
            asyncio.create_task(self._every(TICK_S, self._tick)),
            asyncio.create_task(self._every(EXPIRE_S, self._expire)),
            asyncio.create_task(self._every(EXPIRE_S, self._look_again)),
            asyncio.create_task(self._every(settings.announce_s, self._announce)),
        ]
        _log.info(
            "sfu started",
            node=self.node,
            media_port=self.media_address[1],
            port=self.signalling_address[1],
            admin_port=self.admin_address[1],
        )

    def _show(self) -> None:
        metrics, media, calls = self._metrics, self._media, self._calls
        metrics.watch(
            "sfu_packets", "Media packets", "event", lambda: dict(media.plane.counts.items())
        )
        metrics.watch("sfu_checks", "ICE checks, by outcome", "outcome", lambda: media.checks)
        metrics.watch("sfu_dropped", "Datagrams dropped", "reason", lambda: media.dropped)
        metrics.watch("sfu_stays", "Stays, by what became of them", "event", lambda: calls.counts)
        metrics.watch("sfu_rtcp", "RTCP received", "kind", lambda: calls.feedback.counts)
        metrics.watch(
            "sfu_closed", "Signalling connections closed by us", "code", lambda: self._closed
        )
        for state, name in (("connected", "open"), ("half-open", "half_open")):
            metrics.watch_gauge(
                f"sfu_transports_{name}", f"Transports {state} now", partial(media.count, state)
            )
        metrics.watch_gauge("sfu_participants", "Participants now", lambda: len(calls))
        metrics.watch_gauge("sfu_calls", "Calls now", lambda: len(calls.ids()))

    def _count_close(self, code: int) -> None:
        self._closed[str(code)] += 1

    # What is told to us.

    def _told(self, message: AnyBusMessage) -> None:
        match message:
            case MemberRemoved():
                self._admission.removed(message.call, message.account)
            case GroupCallEnded():
                self._admission.call_ended(message.call)

    def _missed(self) -> None:
        self._has_missed = True

    async def _look_again(self) -> None:
        """Until the registry has answered: it is often away together with the bus."""
        if not self._has_missed:
            return
        self._has_missed = False
        try:
            await self._admission.look_again()
        except BaseException:
            self._has_missed = True
            raise

    # Time.

    async def _every(self, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except WorldError as error:
                _log.warning("the registry is away", error=str(error))
            except Exception:
                _log.exception("loop broke")
            await asyncio.sleep(interval_s)

    async def _tick(self) -> None:
        self._calls.tick()

    async def _expire(self) -> None:
        self._calls.expire()
        self._door.tick()

    async def _announce(self) -> None:
        """That we are here; and which calls are. A call that another node holds goes on there."""
        lifetime_ms = round(self._settings.announce_s * 1000 * ANNOUNCED_LIVES)
        await self._registry.nodes.announce(self.describe(), lifetime_ms)
        calls = self._calls.ids()
        if not calls:
            return
        held = await self._registry.placements.hold(calls, self.node, lifetime_ms)
        for call, ours in zip(calls, held, strict=True):
            if not ours:
                _log.warning("another node has the call", call=str(call))
                self._calls.call_elsewhere(call)

    def describe(self) -> Node:
        """As the registry has it."""
        host, port = self.signalling_address
        host = f"[{host}]" if ":" in host else host
        load = min(1.0, len(self._calls) / self._settings.participants_max)
        return Node(self.node, ROLE, f"http://{host}:{port}", load)

    def _over(self, call: UUID) -> None:
        self._background(self._registry.placements.release(call, self.node))

    def _background(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except WorldError as error:
                _log.warning("the registry is away", error=str(error))

        task = asyncio.get_running_loop().create_task(run())
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def stop(self) -> None:
        """Nobody is sent here any more; who is here joins again, elsewhere."""
        settings = self._settings
        self._admin_door.stopping = True
        self._listener.stop_accepting()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._withdraw()
        await self._door.close()
        await self._media.stop()
        await self._listener.stop(settings.stop_timeout_s)
        await asyncio.gather(*self._chores, return_exceptions=True)
        self._admin_listener.stop_accepting()
        await self._admin_listener.stop(settings.stop_timeout_s)
        _log.info("sfu stopped", node=self.node)

    async def _withdraw(self) -> None:
        try:
            await self._registry.nodes.withdraw(self.node)
            for call in self._calls.ids():
                await self._registry.placements.release(call, self.node)
        except WorldError as error:
            _log.warning("not withdrawn", error=str(error))
