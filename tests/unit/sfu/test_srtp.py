"""libsrtp's names that we use, and both directions in place."""

import os
from typing import Any

import pytest
from pylibsrtp._binding import ffi, lib

from sfu.plane import SrtpKeys
from sfu.srtp import PROFILES, TRAILER_BYTES_MAX, SrtpPair, pointer_at

SALTS = {"SRTP_AEAD_AES_128_GCM": 12, "SRTP_AES128_CM_SHA1_80": 14}
PACKET = bytes([0x80, 96, 0, 1]) + bytes(4) + b"ssrc" + b"payload"
REPORT = bytes([0x80, 201, 0, 1]) + b"ssrc"


def pair(profile: str) -> tuple[SrtpPair, SrtpPair]:
    """Two ends."""
    size = 16 + SALTS[profile]
    a, b = os.urandom(size), os.urandom(size)
    return SrtpPair(SrtpKeys(profile, a, b)), SrtpPair(SrtpKeys(profile, b, a))


def memory(data: bytes) -> tuple[Any, Any]:
    held = ffi.new("unsigned char[]", 2048)
    ffi.memmove(held, data, len(data))
    return held, pointer_at(int(ffi.cast("uintptr_t", held)))


def test_the_binding_has_what_we_call() -> None:
    for name in ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"):
        assert callable(getattr(lib, name))
    assert lib.srtp_err_status_ok == 0


@pytest.mark.parametrize("profile", PROFILES)
def test_there_and_back_in_place(profile: str) -> None:
    one, other = pair(profile)
    held, at = memory(PACKET)
    size = one.protect(at, len(PACKET))
    assert len(PACKET) < size <= len(PACKET) + TRAILER_BYTES_MAX
    assert bytes(ffi.buffer(held, 12)) == PACKET[:12]
    assert b"payload" not in bytes(ffi.buffer(held, size))
    assert other.unprotect(at, size) == len(PACKET)
    assert bytes(ffi.buffer(held, len(PACKET))) == PACKET


@pytest.mark.parametrize("profile", PROFILES)
def test_rtcp_there_and_back(profile: str) -> None:
    one, other = pair(profile)
    held, at = memory(REPORT)
    size = one.protect_rtcp(at, len(REPORT))
    assert len(REPORT) < size <= len(REPORT) + TRAILER_BYTES_MAX
    copy, at_copy = memory(bytes(ffi.buffer(held, size)))
    assert other.unprotect_rtcp(at, size) == len(REPORT)
    assert other.unprotect_rtcp(at_copy, size) == -1, "a replay"
    assert copy is not None


@pytest.mark.parametrize("profile", PROFILES)
def test_one_bit_makes_it_unauthentic(profile: str) -> None:
    one, other = pair(profile)
    held, at = memory(PACKET)
    size = one.protect(at, len(PACKET))
    sealed = bytes(ffi.buffer(held, size))
    for place in range(size):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        _kept, where = memory(bytes(damaged))
        assert other.unprotect(where, size) == -1
    assert other.unprotect(at, size) == len(PACKET)


def test_unknown_profiles_are_refused() -> None:
    with pytest.raises(ValueError, match="NULL"):
        SrtpPair(SrtpKeys("SRTP_NULL_SHA1_80", bytes(30), bytes(30)))


def test_keys_are_not_shown() -> None:
    assert "9999" not in repr(SrtpKeys("SRTP_AEAD_AES_128_GCM", b"9999" * 7, b"9999" * 7))
