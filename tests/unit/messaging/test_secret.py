"""Tokens, codes and what is kept of them."""

import re
import secrets
from collections import Counter

import pytest

from messaging.secret import (
    canonical_link_code,
    hash_secret,
    make_code,
    make_link_code,
    make_token,
)


def test_token_is_256_bits_in_base64url() -> None:
    token = make_token(secrets.token_bytes)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert make_token(bytes) == "A" * 43


def test_code_is_six_digits_and_drawn_again_past_the_last_whole_million() -> None:
    draws = iter([b"\xff\xff\xff\xff", (1_000_042).to_bytes(4, "big")])
    assert make_code(lambda _: next(draws)) == "000042"


def test_code_digits_are_all_used() -> None:
    digits = Counter("".join(make_code(secrets.token_bytes) for _ in range(2_000)))
    assert set(digits) == set("0123456789")
    assert min(digits.values()) > 800


def test_hash_keeps_parts_apart() -> None:
    assert hash_secret("ab", "c") != hash_secret("a", "bc")
    assert len(hash_secret("x")) == 32


@pytest.mark.parametrize("typed", ["abcde-01l1o", "ABCDE 01110", "ABCDE01I1O", "abcde-01110"])
def test_link_code_as_people_type_it(typed: str) -> None:
    assert canonical_link_code(typed) == "ABCDE01110"


def test_link_code_shape() -> None:
    code = make_link_code(secrets.token_bytes)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", code)
