"""Nonces: bound to a source, a time and a process."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from turn.nonce import NONCE_CHARACTERS, Nonces

SOURCE = ("192.0.2.1", 5000)
LIFETIME_S = 600
NOW_S = 10_000.5


@pytest.fixture
def nonces() -> Nonces:
    return Nonces(bytes(32), LIFETIME_S)


def test_one_is_good_for_its_lifetime(nonces: Nonces) -> None:
    nonce = nonces.make(SOURCE, NOW_S)
    assert len(nonce) == NONCE_CHARACTERS
    assert nonces.is_fresh(nonce, SOURCE, NOW_S)
    assert nonces.is_fresh(nonce, SOURCE, NOW_S + LIFETIME_S - 1)
    assert not nonces.is_fresh(nonce, SOURCE, NOW_S + LIFETIME_S)


def test_one_from_the_future_is_not_good(nonces: Nonces) -> None:
    assert not nonces.is_fresh(nonces.make(SOURCE, NOW_S + 5), SOURCE, NOW_S)


@pytest.mark.parametrize("other", [("192.0.2.1", 5001), ("192.0.2.2", 5000), ("2600::1", 5000)])
def test_it_is_bound_to_the_source(nonces: Nonces, other: tuple[str, int]) -> None:
    assert not nonces.is_fresh(nonces.make(SOURCE, NOW_S), other, NOW_S)


def test_another_process_has_another_key(nonces: Nonces) -> None:
    assert not nonces.is_fresh(Nonces(b"1" * 32, LIFETIME_S).make(SOURCE, NOW_S), SOURCE, NOW_S)


@pytest.mark.parametrize("at", range(12))
def test_every_octet_counts(nonces: Nonces, at: int) -> None:
    octets = bytearray(urlsafe_b64decode(nonces.make(SOURCE, NOW_S)))
    octets[at] ^= 1
    assert not nonces.is_fresh(urlsafe_b64encode(octets), SOURCE, NOW_S)


@pytest.mark.parametrize(
    "nonce", [b"", b"x", b"!" * 16, b"\xff" * 16, b"====" * 4, b"A" * 16, b"A" * 17]
)
def test_what_is_none(nonces: Nonces, nonce: bytes) -> None:
    assert not nonces.is_fresh(nonce, SOURCE, 0)
