"""The plane in Python: libsrtp in place, and one sendmmsg for each incoming packet.

The incoming packet is decrypted in one buffer. For each subscriber a header of its own and the payload,
byte for byte, are laid into a slot of the outgoing batch, encrypted there, and all go out together.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import cffi

from sfu import rtp_header
from sfu.net.sendmmsg import SLOT_BYTES, SLOTS, Batch, RawAddress
from sfu.plane import (
    ConsumerCounters,
    ConsumerRoute,
    PlaneObserver,
    ProducerCounters,
    SocketAddress,
    SrtpKeys,
)
from sfu.srtp import TRAILER_BYTES_MAX, SrtpPair, pointer_at
from sfu.stream import Incoming, Outgoing

DATAGRAM_BYTES_MAX: Final = 1500
"""Longer ones were not made for this path."""
HEADER_GROWTH_BYTES_MAX: Final = SLOT_BYTES - DATAGRAM_BYTES_MAX - TRAILER_BYTES_MAX
UNKNOWN_STREAMS_MAX: Final = 16
"""Of one peer, that are remembered so as not to be told of too often."""
UNKNOWN_STREAM_S: Final = 1.0
RESEND_PACKETS_MAX: Final = 64
"""By one `resend`."""

_HEADER: Final = struct.Struct("!BBHII")
_ffi: Final = cffi.FFI()


@dataclass(slots=True)
class PlaneCounts:
    """Since the start. What is not forwarded is counted by its reason."""

    packets_in: int = 0
    octets_in: int = 0
    packets_forwarded: int = 0
    octets_forwarded: int = 0
    packets_resent: int = 0
    rtcp_in: int = 0
    rtcp_out: int = 0
    unauthentic: int = 0
    """Wrong tag, or a replay."""
    malformed: int = 0
    too_long: int = 0
    unknown_peer: int = 0
    unknown_stream: int = 0
    muted: int = 0
    unsent: int = 0
    """The kernel took it not, or libsrtp would not encrypt it."""

    def items(self) -> list[tuple[str, int]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


class _Peer:
    __slots__ = ("address", "consumers", "id", "mid_extension", "producers", "srtp", "unknown")

    def __init__(self, id: int, srtp: SrtpPair, address: RawAddress) -> None:  # noqa: A002
        self.id = id
        self.srtp = srtp
        self.address = address
        self.producers: dict[int, _Producer] = {}
        """By SSRC."""
        self.consumers: set[int] = set()
        self.mid_extension = 0
        self.unknown: dict[int, float] = {}
        """SSRC: when the observer may be told of it again."""


class _Producer:
    __slots__ = ("consumers", "id", "paused", "peer", "ssrc", "stream")

    def __init__(self, id: int, peer: _Peer, ssrc: int, clock_rate: int) -> None:  # noqa: A002
        self.id = id
        self.peer = peer
        self.ssrc = ssrc
        self.stream = Incoming(clock_rate)
        self.paused = False
        self.consumers: dict[int, _Consumer] = {}


class _Packet:
    """One decrypted packet; its header is read once for all subscribers."""

    __slots__ = (
        "data",
        "first",
        "marker",
        "payload",
        "payload_bytes",
        "payload_type",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self, data: memoryview, offset: int) -> None:
        first, second, self.sequence, self.timestamp, self.ssrc = _HEADER.unpack_from(data)
        self.data = data
        self.first = first & 0xA0  # version and padding stay; no CSRC
        self.marker, self.payload_type = second & 0x80, second & 0x7F
        self.payload = data[offset:]
        self.payload_bytes = len(data) - offset


class _Consumer:
    __slots__ = ("block", "payload_types", "peer", "producer", "route", "ssrc", "stream")

    def __init__(self, route: ConsumerRoute, producer: _Producer, peer: _Peer) -> None:
        self.route = route
        self.producer = producer
        self.peer = peer
        self.ssrc = route.ssrc
        self.stream = Outgoing(route.first_sequence)
        self.payload_types = dict(route.payload_types)
        self.block = None if route.extensions else rtp_header.carried(route, {})
        """The header extensions, when they are the same for every packet."""


class PythonPlane:
    """Sends on the UDP socket `descriptor`, which stays the caller's."""

    def __init__(self, descriptor: int, observer: PlaneObserver) -> None:
        self.counts = PlaneCounts()
        self._observer = observer
        self._peers: dict[int, _Peer] = {}
        self._producers: dict[int, _Producer] = {}
        self._consumers: dict[int, _Consumer] = {}
        self._batch = Batch(descriptor)
        self._view = self._batch.view
        self._slots = [pointer_at(address) for address in self._batch.addresses]
        self._memory: Any = _ffi.new("unsigned char[]", SLOT_BYTES)
        self._incoming = memoryview(_ffi.buffer(self._memory))
        self._pointer = pointer_at(int(_ffi.cast("uintptr_t", self._memory)))

    # Who is there.

    def add_peer(self, peer: int, keys: SrtpKeys, address: SocketAddress) -> None:
        """Raises ValueError for a profile or an address that is none."""
        self._peers[peer] = _Peer(peer, SrtpPair(keys), RawAddress(address))

    def move_peer(self, peer: int, address: SocketAddress) -> None:
        known = self._peers.get(peer)
        if known is not None:
            known.address = RawAddress(address)

    def remove_peer(self, peer: int) -> None:
        known = self._peers.pop(peer, None)
        if known is None:
            return
        for producer in list(known.producers.values()):
            self.unpublish(producer.id)
        for consumer in list(known.consumers):
            self.stop_consuming(consumer)

    def publish(
        self, producer: int, peer: int, ssrc: int, clock_rate: int, mid_extension: int
    ) -> None:
        """Raises ValueError for an SSRC that another producer of this peer has."""
        owner = self._peers[peer]
        if ssrc in owner.producers:
            raise ValueError("the SSRC is taken")
        made = _Producer(producer, owner, ssrc, clock_rate)
        self._producers[producer] = owner.producers[ssrc] = made
        owner.mid_extension = mid_extension or owner.mid_extension
        owner.unknown.pop(ssrc, None)

    def unpublish(self, producer: int) -> None:
        known = self._producers.pop(producer, None)
        if known is None:
            return
        known.peer.producers.pop(known.ssrc, None)
        for consumer in list(known.consumers):
            self.stop_consuming(consumer)

    def pause(self, producer: int, paused: bool) -> None:
        known = self._producers[producer]
        if known.paused and not paused:
            for consumer in known.consumers.values():
                consumer.stream.begin_anew()
        known.paused = paused

    def consume(self, producer: int, route: ConsumerRoute) -> None:
        """Raises ValueError for a first sequence number of 2^15 or more."""
        if not 0 <= route.first_sequence < 2**15:
            raise ValueError("first_sequence must be below 2^15")
        source, receiver = self._producers[producer], self._peers[route.peer]
        made = _Consumer(route, source, receiver)
        self._consumers[route.consumer] = source.consumers[route.consumer] = made
        receiver.consumers.add(route.consumer)

    def stop_consuming(self, consumer: int) -> None:
        known = self._consumers.pop(consumer, None)
        if known is not None:
            known.producer.consumers.pop(consumer, None)
            known.peer.consumers.discard(consumer)

    # Every packet.

    def received(self, peer: int, datagram: bytes, now_s: float) -> bool:
        known, size = self._peers.get(peer), len(datagram)
        if known is None:
            self.counts.unknown_peer += 1
        elif size > DATAGRAM_BYTES_MAX:
            self.counts.too_long += 1
        elif size < 8:
            self.counts.malformed += 1
        else:
            self._incoming[:size] = datagram
            if 192 <= datagram[1] <= 223:  # RFC 5761 §4
                return self._received_rtcp(known, size)
            size = known.srtp.unprotect(self._pointer, size)
            if size >= 0:
                self._received_rtp(known, size, now_s)
                return True
            self.counts.unauthentic += 1
        return False

    def _received_rtcp(self, peer: _Peer, size: int) -> bool:
        size = peer.srtp.unprotect_rtcp(self._pointer, size)
        if size < 0:
            self.counts.unauthentic += 1
            return False
        self.counts.rtcp_in += 1
        self._observer.on_rtcp(peer.id, bytes(self._incoming[:size]))
        return True

    def _received_rtp(self, peer: _Peer, size: int, now_s: float) -> None:
        """Decrypted, in `_incoming`."""
        counts = self.counts
        data = self._incoming[:size]
        offset = rtp_header.payload_offset(data)
        if offset is None:
            counts.malformed += 1
            return
        packet = _Packet(data, offset)
        counts.packets_in += 1
        counts.octets_in += size
        producer = peer.producers.get(packet.ssrc)
        if producer is None:
            counts.unknown_stream += 1
            self._unknown(peer, packet, now_s)
            return
        number = producer.stream.received(
            packet.sequence, packet.timestamp, packet.payload_bytes, now_s
        )
        if producer.paused:
            counts.muted += 1
            return
        producer.stream.keep(number, data)
        self._forward(packet, number, list(producer.consumers.values()))

    def _forward(self, packet: _Packet, number: int, consumers: list[_Consumer]) -> None:
        """`number`: the extended sequence number of the producer's stream."""
        filled = octets = 0
        for consumer in consumers:
            sequence = consumer.stream.forward(number)
            if sequence is None:
                continue
            size = self._lay(filled, packet, sequence, consumer)
            if size > 0:
                filled += 1
                octets += size
                if filled == SLOTS:
                    self._flush(filled)
                    filled = 0
        self.counts.octets_forwarded += octets
        self._flush(filled)

    def _flush(self, filled: int) -> None:
        if filled:
            sent = self._batch.send(filled)
            self.counts.packets_forwarded += sent
            self.counts.unsent += filled - sent

    def _lay(self, slot: int, packet: _Packet, sequence: int, consumer: _Consumer) -> int:
        """The packet as this subscriber gets it, encrypted, into the slot: its size, or 0."""
        payload_type = consumer.payload_types.get(packet.payload_type)
        if payload_type is None:
            return 0
        block = consumer.block
        if block is None:
            block = rtp_header.carried(consumer.route, rtp_header.extensions(packet.data))
        view, base = self._view, slot * SLOT_BYTES
        start = base + rtp_header.FIXED_BYTES + len(block)
        end = start + packet.payload_bytes
        if end - base > SLOT_BYTES - TRAILER_BYTES_MAX:
            self.counts.too_long += 1
            return 0
        first = packet.first | (0x10 if block else 0)
        second = packet.marker | payload_type
        _HEADER.pack_into(view, base, first, second, sequence, packet.timestamp, consumer.ssrc)
        if block:
            view[base + rtp_header.FIXED_BYTES : start] = block
        view[start:end] = packet.payload
        protected = consumer.peer.srtp.protect(self._slots[slot], end - base)
        if protected < 0:
            self.counts.unsent += 1
            return 0
        self._batch.put(slot, protected, consumer.peer.address)
        consumer.stream.sent(packet.payload_bytes, packet.timestamp)
        return protected

    def _unknown(self, peer: _Peer, packet: _Packet, now_s: float) -> None:
        ssrc = packet.ssrc
        if now_s < peer.unknown.get(ssrc, 0):
            return
        peer.unknown.pop(ssrc, None)
        if len(peer.unknown) >= UNKNOWN_STREAMS_MAX:
            oldest = next(iter(peer.unknown))
            if now_s < peer.unknown[oldest]:
                return
            del peer.unknown[oldest]
        peer.unknown[ssrc] = now_s + UNKNOWN_STREAM_S
        mid = rtp_header.extensions(packet.data).get(peer.mid_extension, b"")
        self._observer.on_unknown_stream(peer.id, ssrc, mid, packet.payload_type)

    # Feedback.

    def resend(self, consumer: int, sequences: Sequence[int]) -> list[int]:
        """At most RESEND_PACKETS_MAX of them."""
        known = self._consumers.get(consumer)
        if known is None:
            return []
        never_came: list[int] = []
        filled = 0
        for sequence in sequences[:RESEND_PACKETS_MAX]:
            number = known.stream.number(sequence)
            if number is None:
                continue
            data = known.producer.stream.kept(number)
            if data is None:
                never_came.append(number & 0xFFFF)
                continue
            offset = rtp_header.payload_offset(data)
            if offset is None:
                continue
            if self._lay(filled, _Packet(memoryview(data), offset), sequence, known):
                filled += 1
        self.counts.packets_resent += filled
        self._flush(filled)
        return never_came

    def producer_sequence(self, consumer: int, sequence: int) -> int | None:
        known = self._consumers.get(consumer)
        number = known.stream.number(sequence) if known is not None else None
        return None if number is None else number & 0xFFFF

    def consumer_timestamp(self, consumer: int, timestamp: int) -> int | None:
        """Timestamps pass unchanged."""
        return timestamp if consumer in self._consumers else None

    def send_rtcp(self, peer: int, packet: bytes) -> None:
        known, size = self._peers.get(peer), len(packet)
        if known is None:
            self.counts.unknown_peer += 1
            return
        if size > DATAGRAM_BYTES_MAX:
            self.counts.too_long += 1
            return
        self._view[:size] = packet
        size = known.srtp.protect_rtcp(self._slots[0], size)
        if size < 0:
            self.counts.unsent += 1
            return
        self._batch.put(0, size, known.address)
        if self._batch.send(1):
            self.counts.rtcp_out += 1
        else:
            self.counts.unsent += 1

    def producer_counters(self, producer: int) -> ProducerCounters:
        return self._producers[producer].stream.counters()

    def consumer_counters(self, consumer: int) -> ConsumerCounters:
        return self._consumers[consumer].stream.counters()
