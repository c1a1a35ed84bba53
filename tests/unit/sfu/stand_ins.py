"""A plane, transports and outlets that write down what they are told."""

# ruff: noqa: ARG002 - the ports' signatures; not all of it is written down

import itertools
from collections import Counter
from collections.abc import Sequence

from ringline.protocol.sfu import AnySfuServerFrame
from sfu.plane import (
    ConsumerCounters,
    ConsumerRoute,
    Plane,
    ProducerCounters,
    SocketAddress,
    SrtpKeys,
)
from sfu.transport import Fingerprint, LocalTransport, RemoteTransport, TransportsFull


class WrittenPlane:
    """As strict as the real one: what it does not know is a KeyError."""

    def __init__(self) -> None:
        self.peers: set[int] = set()
        self.producers: dict[int, tuple[int, int]] = {}
        """Peer and SSRC."""
        self.paused: set[int] = set()
        self.routes: dict[int, tuple[int, ConsumerRoute]] = {}
        """Producer and route, by consumer."""
        self.rtcp: list[tuple[int, bytes]] = []
        self.missing: list[int] = []
        self.sent = Counter[int]()

    def add_peer(self, peer: int, keys: SrtpKeys, address: SocketAddress) -> None:
        raise AssertionError("the transports do that")

    def move_peer(self, peer: int, address: SocketAddress) -> None:
        raise AssertionError("the transports do that")

    def remove_peer(self, peer: int) -> None:
        self.peers.discard(peer)
        for producer in [p for p, (owner, _) in self.producers.items() if owner == peer]:
            self.unpublish(producer)
        for consumer in [c for c, (_, route) in self.routes.items() if route.peer == peer]:
            self.stop_consuming(consumer)

    def publish(
        self, producer: int, peer: int, ssrc: int, clock_rate: int, mid_extension: int
    ) -> None:
        assert peer in self.peers
        assert (peer, ssrc) not in self.producers.values()
        self.producers[producer] = peer, ssrc

    def unpublish(self, producer: int) -> None:
        self.producers.pop(producer, None)
        self.paused.discard(producer)
        for consumer in [c for c, (of, _) in self.routes.items() if of == producer]:
            self.stop_consuming(consumer)

    def pause(self, producer: int, paused: bool) -> None:
        assert producer in self.producers
        (self.paused.add if paused else self.paused.discard)(producer)

    def consume(self, producer: int, route: ConsumerRoute) -> None:
        assert producer in self.producers
        assert route.peer in self.peers
        assert 0 <= route.first_sequence < 2**15
        self.routes[route.consumer] = producer, route

    def stop_consuming(self, consumer: int) -> None:
        self.routes.pop(consumer, None)

    def producer_sequence(self, consumer: int, sequence: int) -> int | None:
        return sequence

    def resend(self, consumer: int, sequences: Sequence[int]) -> list[int]:
        assert consumer in self.routes
        return [sequence for sequence in sequences if sequence in self.missing]

    def consumer_timestamp(self, consumer: int, timestamp: int) -> int | None:
        return timestamp

    def send_rtcp(self, peer: int, packet: bytes) -> None:
        self.rtcp.append((peer, packet))

    def received(self, peer: int, datagram: bytes, now_s: float) -> bool:
        raise AssertionError("the transports do that")

    def producer_counters(self, producer: int) -> ProducerCounters:
        assert producer in self.producers
        return ProducerCounters(10, 1000, 0, 3, 9)

    def consumer_counters(self, consumer: int) -> ConsumerCounters:
        assert consumer in self.routes
        return ConsumerCounters(10, 1000, 90_000)


class WrittenTransports:
    def __init__(self) -> None:
        self.written = WrittenPlane()
        self.open_peers: set[int] = set()
        self.restarted: list[int] = []
        self.full = False
        self._numbers = itertools.count(1)

    @property
    def plane(self) -> Plane:
        return self.written

    def open(self, peer: int, remote: RemoteTransport) -> LocalTransport:
        if self.full:
            raise TransportsFull("full")
        self.open_peers.add(peer)
        return self._local()

    def restart(self, peer: int, remote: RemoteTransport) -> LocalTransport:
        assert peer in self.open_peers
        self.restarted.append(peer)
        return self._local()

    def _local(self) -> LocalTransport:
        name = f"ours{next(self._numbers)}"
        fingerprint = Fingerprint("sha-256", ":".join(["CD"] * 32))
        return LocalTransport(name, "o" * 32, fingerprint, [("127.0.0.1", 3480)])

    def close(self, peer: int) -> None:
        self.open_peers.discard(peer)
        self.written.remove_peer(peer)


class WrittenOutlet:
    def __init__(self) -> None:
        self.frames: list[AnySfuServerFrame] = []
        self.code: int | None = None

    def send(self, frame: AnySfuServerFrame) -> None:
        assert self.code is None
        self.frames.append(frame)

    def close(self, code: int) -> None:
        if self.code is None:
            self.code = code

    def take(self) -> list[AnySfuServerFrame]:
        taken, self.frames = self.frames, []
        return taken
