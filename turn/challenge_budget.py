"""How many replies go to sources that have proved nothing.

Every such reply goes to an address that may be forged, so there are only so many in a second: for each
source, and in all. The counters are a table of fixed size (two rows, by two hashes): a million sources
cost no more memory than one, and two of them share a budget only if they meet in both rows.

What there is in all is spread over the second. A flood that used it up at the second's beginning would
leave nothing to whoever asks later; and who asks again half a second later, as RFC 8489 §6.2.1 has it,
would come too late every time.
"""

import hashlib
from array import array
from typing import Final

ROW_CELLS: Final = 8192
SLICES_PER_S: Final = 20
SLICE_REPLIES_MIN: Final = 100
"""A small budget may be spent at once."""


class ChallengeBudget:
    """`key`: random, so that nobody can choose whom to meet."""

    def __init__(self, key: bytes, per_source_s: int, per_s: int) -> None:
        self._key = key[:64]
        self._per_source_s = per_source_s
        self._per_s = per_s
        self._per_slice = max(SLICE_REPLIES_MIN, -(-per_s // SLICES_PER_S))
        self._second = self._slice = -1
        self._spent = self._spent_of_slice = 0
        self._rows = [array("L", bytes(8 * ROW_CELLS)), array("L", bytes(8 * ROW_CELLS))]
        self.dropped = 0

    def spend(self, source: str, now_s: float) -> bool:
        """Whether a reply to this address may go out now. What may not is counted in `dropped`."""
        if int(now_s) != self._second:
            self._begin(int(now_s))
        if int(now_s * SLICES_PER_S) != self._slice:
            self._slice, self._spent_of_slice = int(now_s * SLICES_PER_S), 0
        if self._spent >= self._per_s or self._spent_of_slice >= self._per_slice:
            self.dropped += 1
            return False
        digest = hashlib.blake2b(source.encode(), key=self._key, digest_size=8).digest()
        cells = [int.from_bytes(digest[at : at + 4], "big") % ROW_CELLS for at in (0, 4)]
        if (
            min(row[cell] for row, cell in zip(self._rows, cells, strict=True))
            >= self._per_source_s
        ):
            self.dropped += 1
            return False
        self._spent += 1
        self._spent_of_slice += 1
        for row, cell in zip(self._rows, cells, strict=True):
            row[cell] += 1
        return True

    def _begin(self, second: int) -> None:
        self._second, self._spent = second, 0
        self._rows = [array("L", bytes(8 * ROW_CELLS)), array("L", bytes(8 * ROW_CELLS))]
