"""What one connection has been delivered and has not acknowledged: bounded in entries and in bytes.

Of a delivered message the body is dropped: what an acknowledgement needs is who sent which one.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from backplane.storage.device_queues import QueueEntry
from ringline.protocol import codec, limits
from ringline.protocol.frames import AnyEntry, CallEvent, Message
from signaling.settings import WINDOW_BYTES_MAX

DRAINED_BYTES_MAX: Final = 512 * 1024
"""A fetch ends at 1 MiB too; one that gave less than this and fewer entries than asked for gave all."""


class DeliveryWindow:
    def __init__(
        self,
        entries_max: int = limits.DELIVERY_WINDOW_ENTRIES_MAX,
        bytes_max: int = WINDOW_BYTES_MAX,
    ) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._delivered: dict[int, tuple[AnyEntry, int]] = {}
        self._acknowledging: dict[int, tuple[AnyEntry, int]] = {}
        self.fetched_to = 0
        """The highest position delivered on this connection."""
        self.behind = True
        """The queue may hold more."""

    @property
    def room(self) -> int:
        """Entries that may still be delivered."""
        if self._bytes >= self._bytes_max:
            return 0
        return self._entries_max - self._count()

    @property
    def hungry(self) -> bool:
        """Worth a fetch: half the window is free, so that a long queue does not come one by one."""
        return (
            self.behind
            and self._count() * 2 <= self._entries_max
            and self._bytes * 2 <= self._bytes_max
        )

    def _count(self) -> int:
        return len(self._delivered) + len(self._acknowledging)

    def deliver(
        self, entries: Sequence[QueueEntry], asked: int
    ) -> list[tuple[QueueEntry, AnyEntry]]:
        """Take as many as there is room for, decoded. The first one is always taken when nothing is
        under way. Sets `behind` by what was left, or may have been left, in the queue."""
        taken = []
        for entry in entries:
            if self.room <= 0:
                break
            decoded = codec.decode_entry(entry.payload)
            self._delivered[entry.position] = (_head(decoded), len(entry.payload))
            self._bytes += len(entry.payload)
            self.fetched_to = entry.position
            taken.append((entry, decoded))
        drained = len(entries) < asked and sum(len(e.payload) for e in entries) < DRAINED_BYTES_MAX
        self.behind = self.behind or len(taken) < len(entries) or not drained
        return taken

    def acknowledge(self, positions: Sequence[int]) -> tuple[dict[int, AnyEntry], list[int]]:
        """The delivered entries among these, and the positions that never were this connection's.
        The entries keep their room until `settled`, or come back by `restored`."""
        known: dict[int, AnyEntry] = {}
        unknown = []
        for position in dict.fromkeys(positions):
            held = self._delivered.pop(position, None)
            if held is not None:
                self._acknowledging[position] = held
                known[position] = held[0]
            elif position not in self._acknowledging:
                unknown.append(position)
        return known, unknown

    def settled(self, positions: Sequence[int]) -> None:
        """They have left the queue."""
        for position in positions:
            self._bytes -= self._acknowledging.pop(position)[1]

    def restored(self, positions: Sequence[int]) -> None:
        """The acknowledgement failed; it may be repeated."""
        for position in positions:
            self._delivered[position] = self._acknowledging.pop(position)


def _head(entry: AnyEntry) -> AnyEntry:
    if isinstance(entry, Message | CallEvent):
        return msgspec.structs.replace(entry, body=b"")
    return entry
