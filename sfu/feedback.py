"""RTCP between us and each participant: nothing of it is passed through as it came.

Publishers hear from us: receiver reports and REMB once a second, PLI (coalesced), NACK (what never came).
Subscribers hear from us: sender reports with the publisher's clock, so that lip sync works (RFC 3550 §6.4.1).
What a subscriber says of streams that it does not receive is counted and ignored. Its REMB and its
reports are counted and slow nobody down.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from sfu import rtcp
from sfu.consumer import Consumer
from sfu.plane import Plane
from sfu.producer import Producer
from sfu.router import Router

REPORT_INTERVAL_S: Final = 1.0
SENDER_REPORT_INTERVAL_S: Final = 0.4
"""A publisher's reports are handed on at most this often: it costs each subscriber a packet."""


class Feedback:
    def __init__(
        self,
        plane: Plane,
        router: Router,
        video_bitrate_max: int,
        clock: Callable[[], float],
        ended: Callable[[Producer], None],
    ) -> None:
        """`ended` is called when a publisher says goodbye to a stream of its own."""
        self._plane = plane
        self._router = router
        self._video_bitrate_max = video_bitrate_max
        self._clock = clock
        self._ended = ended
        self._waiting: set[Producer] = set()
        self._reported_at_s = float("-inf")
        self.counts: Counter[str] = Counter()
        """RTCP by what it was and what became of it."""

    # What comes in.

    def received(self, peer: int, data: bytes) -> None:
        packets, whole = rtcp.read_compound(data)
        if not whole:
            self.counts["malformed"] += 1
        for packet in packets:
            self._packet(peer, packet)

    def _packet(self, peer: int, packet: rtcp.Packet) -> None:
        match packet.type:
            case rtcp.SENDER_REPORT:
                self._sender_report(peer, packet)
            case rtcp.RECEIVER_REPORT:
                self.counts["receiver-report"] += 1
            case rtcp.GOODBYE:
                self._goodbye(peer, packet)
            case rtcp.TRANSPORT_FEEDBACK | rtcp.PAYLOAD_FEEDBACK:
                self._feedback(peer, packet)
            case rtcp.SOURCE_DESCRIPTION:
                pass
            case _:
                self.counts["not-understood"] += 1

    def _own_producer(self, peer: int, ssrc: int) -> Producer | None:
        for producer in self._router.producers_of(peer):
            if producer.ssrc == ssrc and producer.live:
                return producer
        return None

    def _sender_report(self, peer: int, packet: rtcp.Packet) -> None:
        info = rtcp.read_sender_info(packet)
        producer = self._own_producer(peer, info.ssrc) if info is not None else None
        if info is None or producer is None:
            self.counts["foreign"] += 1
            return
        self.counts["sender-report"] += 1
        now_s = self._clock()
        reception = producer.reception
        too_soon = now_s - reception.sender_at_s < SENDER_REPORT_INTERVAL_S
        if reception.sender is not None and too_soon:
            self.counts["sender-report-too-soon"] += 1
            return
        reception.heard(info, now_s)
        if not producer.paused:
            for consumer in self._router.watchers(producer):
                self._report_to(consumer, info)

    def _report_to(self, consumer: Consumer, info: rtcp.SenderInfo) -> None:
        if not consumer.live:
            return
        timestamp = self._plane.consumer_timestamp(consumer.id, info.timestamp)
        counters = self._plane.consumer_counters(consumer.id)
        if timestamp is None or not counters.packets:
            return
        ours = rtcp.SenderInfo(
            consumer.ssrc, info.ntp, timestamp, counters.packets, counters.octets
        )
        cname = rtcp.source_description(consumer.ssrc, consumer.producer.cname)
        self._plane.send_rtcp(consumer.peer, rtcp.sender_report(ours) + cname)

    def _goodbye(self, peer: int, packet: rtcp.Packet) -> None:
        for ssrc in rtcp.read_goodbye(packet):
            producer = self._own_producer(peer, ssrc)
            if producer is None:
                self.counts["foreign"] += 1
            else:
                self.counts["goodbye"] += 1
                self._ended(producer)

    def _feedback(self, peer: int, packet: rtcp.Packet) -> None:
        feedback = rtcp.read_feedback(packet)
        if feedback is None:
            self.counts["malformed"] += 1
            return
        match packet.type, packet.count:
            case rtcp.TRANSPORT_FEEDBACK, rtcp.NACK:
                self._nack(peer, feedback)
            case rtcp.PAYLOAD_FEEDBACK, rtcp.PLI:
                self._picture_loss(peer, feedback.media)
            case rtcp.PAYLOAD_FEEDBACK, rtcp.FIR:
                for ssrc in rtcp.fir_ssrcs(feedback.information):
                    self._picture_loss(peer, ssrc)
            case rtcp.PAYLOAD_FEEDBACK, rtcp.APPLICATION if rtcp.is_remb(feedback):
                self.counts["remb"] += 1
            case _:
                self.counts["not-understood"] += 1

    def _consumer(self, peer: int, ssrc: int) -> Consumer | None:
        consumer = self._router.consumer_by_ssrc(peer, ssrc)
        if consumer is None or not consumer.live:
            self.counts["foreign"] += 1
            return None
        return consumer

    def _picture_loss(self, peer: int, ssrc: int) -> None:
        consumer = self._consumer(peer, ssrc)
        if consumer is not None:
            self.counts["pli"] += 1
            self.want_keyframe(consumer.producer)

    def _nack(self, peer: int, feedback: rtcp.Feedback) -> None:
        consumer = self._consumer(peer, feedback.media)
        if consumer is None:
            return
        self.counts["nack"] += 1
        producer = consumer.producer
        missing = self._plane.resend(consumer.id, rtcp.nack_sequences(feedback.information))
        lost = producer.repairs.fresh(missing, self._clock())
        own_ssrc = self._router.own_ssrc(producer.peer)
        if lost and own_ssrc is not None and producer.ssrc is not None:
            self.counts["nack-passed-on"] += 1
            self._ask(producer.peer, own_ssrc, rtcp.nack(own_ssrc, producer.ssrc, lost))

    # What we ask of publishers.

    def want_keyframe(self, producer: Producer) -> None:
        if not producer.live or producer.paused or not self._router.is_video(producer):
            return
        if producer.keyframes.ask(self._clock()):
            self._send_picture_loss(producer)
        else:
            self._waiting.add(producer)

    def _send_picture_loss(self, producer: Producer) -> None:
        own_ssrc = self._router.own_ssrc(producer.peer)
        if own_ssrc is not None and producer.ssrc is not None:
            self.counts["pli-passed-on"] += 1
            self._ask(producer.peer, own_ssrc, rtcp.picture_loss(own_ssrc, producer.ssrc))

    def _ask(self, peer: int, own_ssrc: int, request: bytes) -> None:
        # A compound begins with a report (RFC 3550 §6.1): reduced size is not negotiated.
        self._plane.send_rtcp(peer, rtcp.receiver_report(own_ssrc) + request)

    # Time.

    def tick(self) -> None:
        """Call every 50 ms or so."""
        now_s = self._clock()
        for producer in list(self._waiting):
            if not producer.live:
                self._waiting.discard(producer)
            elif producer.keyframes.due(now_s):
                self._waiting.discard(producer)
                self._send_picture_loss(producer)
        if now_s - self._reported_at_s >= REPORT_INTERVAL_S:
            self._reported_at_s = now_s
            for peer, own_ssrc, producers in list(self._router.publishers()):
                self._report(peer, own_ssrc, producers, now_s)

    def _report(self, peer: int, own_ssrc: int, producers: list[Producer], now_s: float) -> None:
        blocks, pictures = [], []
        for producer in producers:
            assert producer.ssrc is not None
            counters = self._plane.producer_counters(producer.id)
            if counters.packets:
                blocks.append(producer.reception.block(producer.ssrc, counters, now_s))
            if self._router.is_video(producer):
                pictures.append(producer.ssrc)
        report = rtcp.receiver_report(own_ssrc, blocks)
        report += rtcp.source_description(own_ssrc, "ringline")
        if pictures:
            limit = self._video_bitrate_max * len(pictures)
            report += rtcp.bitrate_limit(own_ssrc, limit, pictures)
        self._plane.send_rtcp(peer, report)
