"""One stream that a participant sends us, and what we ask of its sender."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ringline.protocol.sfu import TrackKind
from sfu.codec import Codec
from sfu.plane import ProducerCounters
from sfu.rtcp import ReportBlock, SenderInfo

REPAIR_INTERVAL_S: Final = 0.1
"""A publisher is asked for one packet again at most this often."""
REPAIRS_MAX: Final = 1024
"""Sequence numbers of one producer that are remembered for that."""
REPAIRS_PER_REQUEST_MAX: Final = 128


class KeyframeRequests:
    """At most one per interval; what is asked for meanwhile is asked for at its end (RFC 4585 §6.3.1)."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._sent_at_s = float("-inf")
        self.waiting = False

    def ask(self, now_s: float) -> bool:
        """Whether to send it now."""
        self.waiting = True
        return self.due(now_s)

    def due(self, now_s: float) -> bool:
        if not self.waiting or now_s - self._sent_at_s < self._interval_s:
            return False
        self.waiting = False
        self._sent_at_s = now_s
        return True


class Repairs:
    """Which lost packets the publisher is asked for: each once per interval, whoever misses it."""

    def __init__(self) -> None:
        self._asked: OrderedDict[int, float] = OrderedDict()

    def fresh(self, sequences: Iterable[int], now_s: float) -> list[int]:
        found: list[int] = []
        for sequence in sequences:
            if now_s - self._asked.get(sequence, float("-inf")) < REPAIR_INTERVAL_S:
                continue
            if len(found) >= REPAIRS_PER_REQUEST_MAX:
                break
            found.append(sequence)
            self._asked.pop(sequence, None)
            self._asked[sequence] = now_s
            if len(self._asked) > REPAIRS_MAX:
                self._asked.popitem(last=False)
        return found


@dataclass(slots=True)
class Reception:
    """What a receiver report says of it (RFC 3550 §6.4.1)."""

    expected: int = 0
    received: int = 0
    sender: SenderInfo | None = None
    sender_at_s: float = 0.0

    def heard(self, info: SenderInfo, now_s: float) -> None:
        self.sender = info
        self.sender_at_s = now_s

    def block(self, ssrc: int, counters: ProducerCounters, now_s: float) -> ReportBlock:
        expected = counters.packets + counters.lost
        expected_now = expected - self.expected
        lost_now = expected_now - (counters.packets - self.received)
        self.expected, self.received = expected, counters.packets
        fraction = 256 * lost_now // expected_now if expected_now > 0 and lost_now > 0 else 0
        last = delay = 0
        if self.sender is not None:
            last = self.sender.ntp >> 16 & 0xFFFFFFFF
            delay = min(0xFFFFFFFF, int((now_s - self.sender_at_s) * 65536))
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=min(255, fraction),
            lost=counters.lost,
            highest_sequence=counters.highest_sequence,
            jitter=counters.jitter,
            last_sender_report=last,
            delay_since=delay,
        )


@dataclass(slots=True, eq=False)
class Producer:
    id: int
    track: str
    peer: int
    mid: str
    kind: TrackKind
    codec: Codec
    ssrc: int | None
    """None: not known until its first packet."""
    mid_extension: int
    audio_level_extension: int
    paused: bool
    keyframes: KeyframeRequests
    cname: str
    live: bool = False
    """The plane has it."""
    repairs: Repairs = field(default_factory=Repairs)
    reception: Reception = field(default_factory=Reception)
