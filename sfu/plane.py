"""The plane, a port: what happens to every packet of a media connection once its keys are known.

Per incoming RTP packet: decrypt, look up the producer, rewrite for each consumer, encrypt, send.
`plane_python.py` is the one adapter today; a native loop can take its place, so nothing here is called
per packet from outside but `received`, and nothing here knows of participants, calls or SDP.
Peers, producers and consumers are small integers of the caller's choosing, unique on this node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

SocketAddress = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """RFC 5764 §4.2, RFC 7714 §12. Key followed by salt, for each direction."""

    profile: str
    """`SRTP_AEAD_AES_128_GCM` or `SRTP_AES128_CM_SHA1_80`."""
    receive: bytes = field(repr=False)
    send: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsumerRoute:
    """How a producer's packets look to one subscriber."""

    consumer: int
    peer: int
    """Who receives."""
    ssrc: int
    payload_types: Mapping[int, int]
    """The producer's to the subscriber's; packets of any other payload type are left out."""
    first_sequence: int
    """0 … 2^15 - 1: libsrtp's receivers lose sync with streams that start higher."""
    mid: bytes = b""
    mid_extension: int = 0
    """RFC 8285 id of the MID extension in the subscriber's description; 0: none is sent."""
    extensions: Mapping[int, int] = field(default_factory=dict)
    """Header extensions that are carried over, the producer's ids to the subscriber's."""


class PlaneObserver(Protocol):
    """Told by the plane; must return at once."""

    def on_rtcp(self, peer: int, packet: bytes) -> None:
        """A compound RTCP packet, decrypted and authentic."""

    def on_unknown_stream(self, peer: int, ssrc: int, mid: bytes, payload_type: int) -> None:
        """RTP of an SSRC that is no producer's; at most once a second for each peer. `publish` may follow."""


@dataclass(frozen=True, slots=True)
class ProducerCounters:
    packets: int
    octets: int
    """Of RTP payload."""
    lost: int
    jitter: int
    """Timestamp units, RFC 3550 §6.4.1."""
    highest_sequence: int
    """Extended, RFC 3550 §6.4.1."""


@dataclass(frozen=True, slots=True)
class ConsumerCounters:
    packets: int
    octets: int
    last_timestamp: int
    """RTP timestamp of the last packet sent."""


class Plane(Protocol):
    def add_peer(self, peer: int, keys: SrtpKeys, address: SocketAddress) -> None: ...

    def move_peer(self, peer: int, address: SocketAddress) -> None:
        """Another nominated pair: what is sent goes there from now on."""

    def remove_peer(self, peer: int) -> None:
        """With its producers and consumers. Harmless to repeat."""

    def publish(
        self, producer: int, peer: int, ssrc: int, clock_rate: int, mid_extension: int
    ) -> None: ...

    def unpublish(self, producer: int) -> None: ...

    def pause(self, producer: int, paused: bool) -> None:
        """Muted: packets are decrypted, counted and not forwarded."""

    def consume(self, producer: int, route: ConsumerRoute) -> None: ...

    def stop_consuming(self, consumer: int) -> None: ...

    def producer_sequence(self, consumer: int, sequence: int) -> int | None:
        """What a sequence number that a subscriber saw is in the producer's stream (for NACK)."""

    def resend(self, consumer: int, sequences: Sequence[int]) -> list[int]:
        """Send a subscriber again what it says it lost (its own numbers, RFC 4585 §6.2.1), as far as
        it is kept. Gives back the producer's numbers of what never came here: ask the publisher."""

    def consumer_timestamp(self, consumer: int, timestamp: int) -> int | None:
        """A producer's RTP timestamp as the subscriber sees it (for sender reports)."""

    def send_rtcp(self, peer: int, packet: bytes) -> None:
        """Encrypt and send a compound packet; dropped when the peer is gone."""

    def received(self, peer: int, datagram: bytes, now_s: float) -> bool:
        """SRTP or SRTCP from the peer's validated 5-tuple: whether it was authentic. Never raises:
        what is not authentic is dropped and counted."""

    def producer_counters(self, producer: int) -> ProducerCounters: ...

    def consumer_counters(self, consumer: int) -> ConsumerCounters: ...
