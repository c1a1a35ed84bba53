"""Tokens and codes: made from injected entropy, kept as SHA-256."""

import base64
import hashlib
from collections.abc import Callable

Entropy = Callable[[int], bytes]

TOKEN_BYTES = 32
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LINK_CHARACTERS = 10
_CODE_DIGITS = 6
_REJECTION_BYTES = 4


def make_token(entropy: Entropy) -> str:
    """256 bits in base64url without padding: 43 characters."""
    return base64.urlsafe_b64encode(entropy(TOKEN_BYTES)).rstrip(b"=").decode("ascii")


def hash_secret(*parts: str) -> bytes:
    """SHA-256 over the parts, each with its length before it."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()


def make_code(entropy: Entropy) -> str:
    """Six decimal digits, each equally likely: values past the last whole million are drawn again."""
    room = 10**_CODE_DIGITS
    ceiling = (1 << (8 * _REJECTION_BYTES)) // room * room
    while True:
        value = int.from_bytes(entropy(_REJECTION_BYTES), "big")
        if value < ceiling:
            return f"{value % room:0{_CODE_DIGITS}d}"


def make_link_code(entropy: Entropy) -> str:
    """50 bits in Crockford's base 32, as XXXXX-XXXXX."""
    text = "".join(_CROCKFORD[octet & 31] for octet in entropy(_LINK_CHARACTERS))
    return f"{text[:5]}-{text[5:]}"


def canonical_link_code(text: str) -> str:
    """What a person typed, with the look-alikes of Crockford's alphabet set right."""
    folded = text.upper().replace("-", "").replace(" ", "")
    return folded.translate(str.maketrans("ILO", "110"))
