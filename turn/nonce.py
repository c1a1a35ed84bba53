"""Nonces that nobody has to remember (RFC 8489 §5): the time, and an HMAC over it and the source.

A nonce from another source, from before this process, or too old is stale (438); checking one costs no
state, however many are asked for.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from turn.stun import Address

_TIME: Final = struct.Struct("!I")
_TAG_BYTES: Final = 8
"""Enough: a guess is only good together with a right password."""
NONCE_CHARACTERS: Final = 16


class Nonces:
    """`key`: 32 random octets. Times: seconds of any clock that does not go back."""

    def __init__(self, key: bytes, lifetime_s: int) -> None:
        self._key = key
        self._lifetime_s = lifetime_s

    def make(self, source: Address, now_s: float) -> bytes:
        """NONCE_CHARACTERS octets of text."""
        time = _TIME.pack(int(now_s))
        return urlsafe_b64encode(time + self._tag(time, source))

    def is_fresh(self, nonce: bytes, source: Address, now_s: float) -> bool:
        if len(nonce) != NONCE_CHARACTERS:
            return False
        try:
            raw = urlsafe_b64decode(nonce)
        except ValueError:
            return False
        if urlsafe_b64encode(raw) != nonce:
            return False
        age_s = now_s - _TIME.unpack_from(raw)[0]
        if not -1 <= age_s < self._lifetime_s:
            return False
        return hmac.compare_digest(raw[_TIME.size :], self._tag(raw[: _TIME.size], source))

    def _tag(self, time: bytes, source: Address) -> bytes:
        text = time + source[1].to_bytes(2, "big") + source[0].encode()
        return hmac.digest(self._key, text, "sha256")[:_TAG_BYTES]
