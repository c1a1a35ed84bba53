"""Which producer goes to whom: keeps the plane in step with what was negotiated and who is connected.

A producer is in the plane once its peer is connected and its SSRC known; a consumer, once its producer is
there and its own peer connected.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Final

from ringline.protocol.sfu import TrackKind
from sfu.codec import Codec
from sfu.consumer import Consumer
from sfu.description import AUDIO_LEVEL_URI, MID_URI, Section
from sfu.plane import Plane
from sfu.producer import KeyframeRequests, Producer
from sfu.track import PublishedTrack

FIRST_SEQUENCE_BITS: Final = 15
"""libsrtp's receivers lose a stream that starts higher and wraps early."""


class Router:
    """`entropy` gives bytes, `wanted` is called when a key frame of a producer is."""

    def __init__(
        self,
        plane: Plane,
        keyframe_interval_s: float,
        entropy: Callable[[int], bytes],
        wanted: Callable[[Producer], None],
    ) -> None:
        self._plane = plane
        self._keyframe_interval_s = keyframe_interval_s
        self._entropy = entropy
        self._wanted = wanted
        self._numbers = itertools.count(1)
        self._connected: dict[int, int] = {}
        """Peer: the SSRC of our own reports to it."""
        self._producers: dict[str, Producer] = {}
        """By track."""
        self._by_peer: dict[int, dict[str, Producer]] = {}
        """Peer: its producers by mid."""
        self._consumers: dict[int, dict[str, Consumer]] = {}
        """Peer: what it receives, by mid."""
        self._watchers: dict[int, dict[int, Consumer]] = {}
        """Producer: its consumers."""
        self._by_ssrc: dict[tuple[int, int], Consumer] = {}

    # What was negotiated.

    def publish(self, peer: int, track: PublishedTrack, section: Section, codec: Codec) -> Producer:
        producer = Producer(
            id=next(self._numbers),
            track=track.id,
            peer=peer,
            mid=track.mid,
            kind=track.kind,
            codec=codec,
            ssrc=section.ssrc,
            mid_extension=section.extensions.get(MID_URI, 0),
            audio_level_extension=section.extensions.get(AUDIO_LEVEL_URI, 0),
            paused=track.muted,
            keyframes=KeyframeRequests(self._keyframe_interval_s),
            cname=track.participant,
        )
        self._producers[track.id] = producer
        self._watchers[producer.id] = {}
        self._by_peer.setdefault(peer, {})[track.mid] = producer
        self._install(producer)
        return producer

    def unpublish(self, track: str) -> None:
        producer = self._producers.pop(track)
        del self._by_peer[producer.peer][producer.mid]
        for consumer in self.watchers(producer):
            self.stop_consuming(consumer)
        del self._watchers[producer.id]
        if producer.live:
            producer.live = False
            self._plane.unpublish(producer.id)

    def pause(self, track: str, paused: bool) -> None:
        producer = self._producers[track]
        producer.paused = paused
        if producer.live:
            self._plane.pause(producer.id, paused)
            if not paused and self.watchers(producer):
                self._wanted(producer)

    def consume(self, peer: int, track: str, section: Section, codec: Codec) -> Consumer:
        producer = self._producers[track]
        consumer = Consumer(
            id=next(self._numbers),
            producer=producer,
            peer=peer,
            mid=section.mid,
            codec=codec,
            ssrc=self._free_ssrc(peer),
            first_sequence=int.from_bytes(self._entropy(2)) >> (16 - FIRST_SEQUENCE_BITS),
            mid_extension=section.extensions.get(MID_URI, 0),
            audio_level_extension=section.extensions.get(AUDIO_LEVEL_URI, 0),
        )
        self._watchers[producer.id][consumer.id] = consumer
        self._consumers.setdefault(peer, {})[section.mid] = consumer
        self._by_ssrc[peer, consumer.ssrc] = consumer
        self._install_consumer(consumer)
        return consumer

    def stop_consuming(self, consumer: Consumer) -> None:
        del self._watchers[consumer.producer.id][consumer.id]
        del self._consumers[consumer.peer][consumer.mid]
        del self._by_ssrc[consumer.peer, consumer.ssrc]
        if consumer.live:
            consumer.live = False
            self._plane.stop_consuming(consumer.id)

    def _free_ssrc(self, peer: int) -> int:
        taken = {producer.ssrc for producer in self.producers_of(peer)}
        while True:
            ssrc = int.from_bytes(self._entropy(4))
            if ssrc and ssrc not in taken and (peer, ssrc) not in self._by_ssrc:
                return ssrc

    # Who is connected.

    def connected(self, peer: int) -> None:
        """The plane has its keys."""
        self._connected[peer] = int.from_bytes(self._entropy(4)) or 1
        for producer in self.producers_of(peer):
            self._install(producer)
        for consumer in self.consumers_of(peer).values():
            self._install_consumer(consumer)

    def forget(self, peer: int) -> None:
        """Everything of that peer; whether the plane still knows it or not."""
        self._connected.pop(peer, None)
        for producer in self.producers_of(peer):
            self.unpublish(producer.track)
        for consumer in list(self.consumers_of(peer).values()):
            self.stop_consuming(consumer)
        self._by_peer.pop(peer, None)
        self._consumers.pop(peer, None)

    def _install(self, producer: Producer) -> None:
        if producer.live or producer.ssrc is None or producer.peer not in self._connected:
            return
        producer.live = True
        self._plane.publish(
            producer.id,
            producer.peer,
            producer.ssrc,
            producer.codec.clock_rate,
            producer.mid_extension,
        )
        if producer.paused:
            self._plane.pause(producer.id, True)
        for consumer in self.watchers(producer):
            self._install_consumer(consumer)

    def _install_consumer(self, consumer: Consumer) -> None:
        producer = consumer.producer
        if consumer.live or not producer.live or consumer.peer not in self._connected:
            return
        consumer.live = True
        self._plane.consume(producer.id, consumer.route())
        self._wanted(producer)

    def unknown_stream(self, peer: int, ssrc: int, mid: bytes, payload_type: int) -> bool:
        """RTP of an SSRC that the description did not name: whose it is by its MID (RFC 9143 §9.2), else by
        a payload type that one section alone has. Whether it was taken."""
        producers = self.producers_of(peer)
        if any(producer.ssrc == ssrc for producer in producers):
            return False
        waiting = [producer for producer in producers if producer.ssrc is None]
        if mid:
            found = [producer for producer in waiting if producer.mid.encode() == mid]
        else:
            found = [
                producer for producer in waiting if producer.codec.payload_type == payload_type
            ]
        if len(found) != 1:
            return False
        found[0].ssrc = ssrc
        self._install(found[0])
        return True

    # Look-ups.

    def producer(self, track: str) -> Producer:
        return self._producers[track]

    def producers_of(self, peer: int) -> list[Producer]:
        return list(self._by_peer.get(peer, {}).values())

    def consumers_of(self, peer: int) -> dict[str, Consumer]:
        return self._consumers.get(peer, {})

    def watchers(self, producer: Producer) -> list[Consumer]:
        return list(self._watchers[producer.id].values())

    def consumer_by_ssrc(self, peer: int, ssrc: int) -> Consumer | None:
        return self._by_ssrc.get((peer, ssrc))

    def publishers(self) -> Iterable[tuple[int, int, list[Producer]]]:
        """Peer, the SSRC of our reports, its live producers."""
        for peer, own_ssrc in self._connected.items():
            live = [producer for producer in self.producers_of(peer) if producer.live]
            if live:
                yield peer, own_ssrc, live

    def own_ssrc(self, peer: int) -> int | None:
        return self._connected.get(peer)

    def is_video(self, producer: Producer) -> bool:
        return producer.kind is TrackKind.VIDEO
