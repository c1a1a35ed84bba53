"""SRTP contexts of one peer (RFC 3711, RFC 7714): libsrtp through pylibsrtp's binding, in place.

pylibsrtp's own `Session` copies every packet twice and refuses long ones; the binding below it does
neither. Its names are pinned by tests/unit/sfu/test_srtp.py.
"""

from typing import Any, Final

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from sfu.plane import SrtpKeys

PROFILES: Final = {
    "SRTP_AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AES128_CM_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
TRAILER_BYTES_MAX: Final = 16 + 4
"""Tag, and SRTCP's index."""
WINDOW_PACKETS: Final = 1024
"""Replay window, and how far back a packet can be sent again."""
_OK: Final[int] = lib.srtp_err_status_ok


class SrtpPair:
    """Both directions. Raises ValueError for an unknown profile or keys of another length."""

    def __init__(self, keys: SrtpKeys) -> None:
        profile = PROFILES.get(keys.profile)
        if profile is None:
            raise ValueError(f"no SRTP profile {keys.profile!r}")
        # The sessions own what the bare pointers below point at.
        self._receiving = _session(profile, keys.receive, Policy.SSRC_ANY_INBOUND)
        self._sending = _session(profile, keys.send, Policy.SSRC_ANY_OUTBOUND)
        self._receive: Any = self._receiving._srtp[0]
        self._send: Any = self._sending._srtp[0]
        self._length: Any = ffi.new("int *")

    def unprotect(self, pointer: Any, size: int) -> int:
        """The packet at `pointer` in place: its new size, or -1 when it is not authentic or a replay."""
        self._length[0] = size
        if lib.srtp_unprotect(self._receive, pointer, self._length) != _OK:
            return -1
        return int(self._length[0])

    def unprotect_rtcp(self, pointer: Any, size: int) -> int:
        self._length[0] = size
        if lib.srtp_unprotect_rtcp(self._receive, pointer, self._length) != _OK:
            return -1
        return int(self._length[0])

    def protect(self, pointer: Any, size: int) -> int:
        """There must be room for TRAILER_BYTES_MAX behind it. -1: libsrtp refuses."""
        self._length[0] = size
        if lib.srtp_protect(self._send, pointer, self._length) != _OK:
            return -1
        return int(self._length[0])

    def protect_rtcp(self, pointer: Any, size: int) -> int:
        self._length[0] = size
        if lib.srtp_protect_rtcp(self._send, pointer, self._length) != _OK:
            return -1
        return int(self._length[0])


def pointer_at(address: int) -> Any:
    """What the methods above take, for memory that somebody else keeps alive."""
    return ffi.cast("char *", address)


def _session(profile: int, key: bytes, ssrc_type: int) -> Session:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile)
    policy.allow_repeat_tx = True
    policy.window_size = WINDOW_PACKETS
    return Session(policy)
