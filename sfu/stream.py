"""Sequence numbers of one RTP stream as it comes in, and as one subscriber gets it.

Inside, numbers are extended by the count of their wraps (RFC 3550 A.1), so that nothing here ever
compares 16 bits.
"""

from typing import Final

from sfu.plane import ConsumerCounters, ProducerCounters

KEPT_PACKETS_MAX: Final = 512
"""Of one producer, to be sent again: a second of a lively picture."""
_CYCLE: Final = 1 << 16


class Incoming:
    """A producer's stream. Counts by RFC 3550 A.1, A.3 and A.8."""

    __slots__ = (
        "_clock_rate",
        "_first",
        "_highest",
        "_jitter",
        "_kept",
        "_octets",
        "_packets",
        "_transit",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._first = self._highest = -1
        self._packets = self._octets = 0
        self._jitter = 0.0
        self._transit = 0
        self._kept: dict[int, tuple[int, bytes]] = {}

    def received(self, sequence: int, timestamp: int, octets: int, now_s: float) -> int:
        """The packet's extended sequence number."""
        if self._highest < 0:
            # One cycle up: packets from before the first that came still have a number.
            self._first = self._highest = number = _CYCLE + sequence
            self._transit = int(now_s * self._clock_rate) - timestamp
        else:
            number = _nearest(self._highest, sequence)
            self._highest = max(self._highest, number)
            self._first = min(self._first, number)
            self._note_jitter(timestamp, now_s)
        self._packets += 1
        self._octets += octets
        return number

    def _note_jitter(self, timestamp: int, now_s: float) -> None:
        transit = int(now_s * self._clock_rate) - timestamp
        step = abs(transit - self._transit) & 0xFFFFFFFF
        self._transit = transit
        if step < 0x80000000:
            self._jitter += (step - self._jitter) / 16

    def keep(self, number: int, packet: memoryview) -> None:
        self._kept[number % KEPT_PACKETS_MAX] = number, bytes(packet)

    def kept(self, number: int) -> bytes | None:
        known = self._kept.get(number % KEPT_PACKETS_MAX)
        return known[1] if known is not None and known[0] == number else None

    def counters(self) -> ProducerCounters:
        expected = self._highest - self._first + 1 if self._packets else 0
        return ProducerCounters(
            packets=self._packets,
            octets=self._octets,
            lost=max(0, expected - self._packets),
            jitter=int(self._jitter),
            highest_sequence=max(0, self._highest - _CYCLE),
        )


class Outgoing:
    """One subscriber's view of it: renumbered from `first_sequence`, without gaps where we paused."""

    __slots__ = ("_begin", "_last", "_octets", "_packets", "_shift", "_timestamp")

    def __init__(self, first_sequence: int) -> None:
        self._last = first_sequence - 1
        """The highest number that was sent, extended."""
        self._begin: int | None = None
        """The producer's number that this stretch began with; None: with the next packet."""
        self._shift = 0
        self._packets = self._octets = self._timestamp = 0

    def begin_anew(self) -> None:
        """What comes next follows what was sent last, whatever was left out between."""
        self._begin = None

    def forward(self, number: int) -> int | None:
        """The 16-bit number to send the producer's `number` with; None: from before this stretch."""
        if self._begin is None:
            self._begin = number
            self._shift = self._last + 1 - number
        elif number < self._begin:
            return None
        ours = number + self._shift
        if ours > self._last:  # noqa: PLR1730 - for every packet and subscriber: max() costs a call
            self._last = ours
        return ours & 0xFFFF

    def number(self, sequence: int) -> int | None:
        """The producer's number of what this subscriber knows as `sequence`."""
        if self._begin is None:
            return None
        number = _nearest(self._last, sequence) - self._shift
        return number if self._begin <= number <= self._last - self._shift else None

    def sent(self, octets: int, timestamp: int) -> None:
        self._packets += 1
        self._octets += octets
        self._timestamp = timestamp

    def counters(self) -> ConsumerCounters:
        return ConsumerCounters(self._packets, self._octets, self._timestamp)


def _nearest(known: int, sequence: int) -> int:
    """The extended number with these 16 bits that is nearest to `known`."""
    step = (sequence - known) & 0xFFFF
    return known + step - (_CYCLE if step >= _CYCLE // 2 else 0)
