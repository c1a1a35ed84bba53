"""One UDP port for everybody's media: `sfu.transport.MediaTransports` for real.

Demultiplexed by the first octet (RFC 7983): checks go to ICE; DTLS only if it comes from an address that a
valid check of that client came from; SRTP from there goes to the plane. Everything else is counted and
dropped, and nothing but the answer to a valid check ever goes to an address that has not made one.
"""

import asyncio
import ipaddress
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from sfu.ice_lite import Agent, Checked, IceLite
from sfu.net.dtls import Certificate, PassiveDtls
from sfu.plane import PlaneObserver, SocketAddress
from sfu.plane_python import PythonPlane
from sfu.settings import SfuSettings
from sfu.transport import LocalTransport, RemoteTransport, TransportObserver, TransportsFull
from turn.stun import is_stun

BUFFER_BYTES: Final = 8 * 1024 * 1024
"""Each way; the system may grant less (net.core.rmem_max)."""
DRAIN_DATAGRAMS_MAX: Final = 128
"""In one wake-up, so that signalling gets its turn."""
DATAGRAM_BYTES_MAX: Final = 2048
UFRAG_BYTES: Final = 8
"""RFC 8445 §5.3 wants 24 random bits; with 64 no two clients of this port get the same."""
PASSWORD_BYTES: Final = 16
"""§5.3: at least 128 random bits; in hexadecimal."""
TICK_S: Final = 0.25

_log = structlog.get_logger()


@dataclass(slots=True)
class _Peer:
    agent: Agent
    dtls: PassiveDtls
    work: asyncio.Task[None] | None = None
    group: str | None = None
    """The client address that its half-open transport counts for; None: not known, or connected."""
    is_connected: bool = False


class MediaPort:
    """`await start()`, then the rest, then `await stop()`."""

    def __init__(
        self,
        settings: SfuSettings,
        observer: TransportObserver,
        plane_observer: PlaneObserver,
        clock: Callable[[], float] = time.monotonic,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._plane_observer = plane_observer
        self._clock = clock
        self._entropy = entropy
        self._certificate = Certificate()
        self._ice = IceLite()
        self._peers: dict[int, _Peer] = {}
        self._half_open: Counter[str] = Counter()
        self._socket: socket.socket | None = None
        self._plane: PythonPlane | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self.checks: Counter[str] = Counter()
        """Of ICE, by outcome."""
        self.dropped: Counter[str] = Counter()
        """Datagrams, by reason."""

    # Of the node.

    async def start(self) -> None:
        """Raises OSError when the address cannot be bound."""
        self._socket = _bind(self._settings.media_host, self._settings.media_port)
        self._plane = PythonPlane(self._socket.fileno(), self._plane_observer)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        for peer in list(self._peers):
            self.close(peer)
        await asyncio.gather(*self._farewells, return_exceptions=True)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    @property
    def plane(self) -> PythonPlane:
        if self._plane is None:
            raise AssertionError("the media port has not been started")
        return self._plane

    @property
    def address(self) -> SocketAddress:
        """As bound."""
        if self._socket is None:
            raise AssertionError("the media port has not been started")
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    def states(self) -> dict[str, int]:
        """How many transports are in each state."""
        connected = sum(peer.is_connected for peer in self._peers.values())
        return {"connected": connected, "half-open": len(self._peers) - connected}

    def count(self, state: str) -> int:
        return self.states()[state]

    # Of one client.

    def open(self, peer: int, remote: RemoteTransport) -> LocalTransport:
        if self.count("half-open") >= self._settings.half_open_transports_max:
            raise TransportsFull("too many transports are being set up")
        agent = self._ice.open(peer, *self._credentials(), remote.ufrag, self._clock())
        dtls = PassiveDtls(
            self._certificate, remote.fingerprints, lambda data: self._send(agent, data)
        )
        self._peers[peer] = _Peer(agent, dtls)
        return self._local(agent)

    def restart(self, peer: int, remote: RemoteTransport) -> LocalTransport:
        agent = self._peers[peer].agent
        self._ice.restart(agent, *self._credentials(), remote.ufrag)
        return self._local(agent)

    def _credentials(self) -> tuple[str, str]:
        return self._entropy(UFRAG_BYTES).hex(), self._entropy(PASSWORD_BYTES).hex()

    def _local(self, agent: Agent) -> LocalTransport:
        host = self._settings.external_address or self.address[0]
        return LocalTransport(
            agent.ufrag, agent.password, self._certificate.fingerprint, [(host, self.address[1])]
        )

    def close(self, peer: int) -> None:
        known = self._forget(peer)
        if known is not None:
            self._bid_farewell(known)

    def _forget(self, peer: int) -> _Peer | None:
        known = self._peers.pop(peer, None)
        if known is None:
            return None
        self._settle(known)
        self._ice.close(known.agent)
        if self._plane is not None:
            self._plane.remove_peer(peer)
        return known

    def _bid_farewell(self, known: _Peer) -> None:
        task = asyncio.get_running_loop().create_task(self._farewell(known))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    @staticmethod
    async def _farewell(known: _Peer) -> None:
        await known.dtls.stop()
        if known.work is not None:
            known.work.cancel()
            await asyncio.gather(known.work, return_exceptions=True)

    def _end(self, peer: int, reason: str) -> None:
        known = self._forget(peer)
        if known is not None:
            _log.info("media transport ended", peer=peer, reason=reason)
            self._bid_farewell(known)
            self._observer.on_ended(peer, reason)

    def _settle(self, known: _Peer) -> None:
        """It is half-open no more."""
        if known.group is not None:
            self._half_open[known.group] -= 1
            if self._half_open[known.group] <= 0:
                del self._half_open[known.group]
            known.group = None

    # Datagrams.

    def _readable(self) -> None:
        assert self._socket is not None
        receive, now_s = self._socket.recvfrom, self._clock()
        for _ in range(DRAIN_DATAGRAMS_MAX):
            try:
                data, source = receive(DATAGRAM_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of something sent earlier
            self._received(data, source[:2], now_s)
            if self._socket is None:
                return

    def _received(self, data: bytes, source: SocketAddress, now_s: float) -> None:
        first = data[0] if data else 255
        if 128 <= first <= 191:
            agent = self._ice.at(source)
            if agent is None:
                self.dropped["media-from-stranger"] += 1
                return
            if self.plane.received(agent.peer, data, now_s) and agent.nominated == source:
                agent.heard_s = now_s
        elif first < 4 and is_stun(data):
            self._received_check(data, source, now_s)
        elif 20 <= first <= 63:
            self._received_dtls(data, source)
        else:
            self.dropped["unknown"] += 1

    def _received_check(self, data: bytes, source: SocketAddress, now_s: float) -> None:
        outcome = self._ice.received(data, source, now_s)
        if isinstance(outcome, Checked):
            known = self._peers[outcome.agent.peer]
            if not self._admit(known, source):
                self.checks["half-open-full"] += 1
                return
            self.checks["granted"] += 1
            self._send_to(outcome.reply, source)
            if outcome.moved:
                self.plane.move_peer(outcome.agent.peer, source)
            return
        self.checks[outcome.reason] += 1
        if outcome.reply is not None:
            self._send_to(outcome.reply, source)

    def _admit(self, known: _Peer, source: SocketAddress) -> bool:
        """Whether this address may have one more half-open transport; the handshake then begins."""
        if known.is_connected or known.group is not None:
            return True
        group = _group(source[0])
        if self._half_open[group] >= self._settings.half_open_transports_per_address_max:
            return False
        self._half_open[group] += 1
        known.group = group
        if known.work is None:
            known.work = asyncio.get_running_loop().create_task(self._run(known))
        return True

    def _received_dtls(self, data: bytes, source: SocketAddress) -> None:
        agent = self._ice.at(source)
        if agent is None:
            self.dropped["dtls-from-stranger"] += 1
            return
        if not self._peers[agent.peer].dtls.received(data):
            self.dropped["dtls-queue-full"] += 1

    async def _run(self, known: _Peer) -> None:
        """From the first valid check to the end of the association."""
        peer = known.agent.peer
        keys = await known.dtls.handshake()
        if self._peers.get(peer) is not known:
            return
        address = known.agent.nominated or next(iter(known.agent.valid), None)
        if keys is None or address is None:
            self._end(peer, "failed")
            return
        self.plane.add_peer(peer, keys, address)
        known.is_connected = True
        self._settle(known)
        self._observer.on_connected(peer, keys.profile)
        await known.dtls.ended()
        if self._peers.get(peer) is known:
            self._end(peer, "closed")

    def _send(self, agent: Agent, data: bytes) -> None:
        """DTLS, to where the client is."""
        address = agent.nominated or next(iter(agent.valid), None)
        if address is not None:
            self._send_to(data, address)

    def _send_to(self, data: bytes, address: SocketAddress) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(data, address)
        except OSError:
            self.dropped["unsent"] += 1

    # Time.

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.expire(self._clock())

    def expire(self, now_s: float) -> None:
        """End whose set-up took too long, and who has given no consent for too long (RFC 7675 §5.1);
        rather a tick early than late. Follow who has moved."""
        settings = self._settings
        consent_s = max(settings.consent_timeout_s - TICK_S, settings.consent_timeout_s / 2)
        for agent in self._ice.follow(now_s):
            if agent.nominated is not None:
                self.plane.move_peer(agent.peer, agent.nominated)
        for peer, known in list(self._peers.items()):
            agent = known.agent
            if known.is_connected:
                if now_s - agent.checked_s >= consent_s:
                    self._end(peer, "silent")
            elif now_s - agent.opened_s >= settings.transport_setup_timeout_s:
                self._end(peer, "failed")


def _bind(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _group(address: str) -> str:
    """What counts as one address: an IPv6 /64."""
    ip = ipaddress.ip_address(address)
    return str(ip) if ip.version == 4 else str(int(ip) >> 64)
