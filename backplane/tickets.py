"""Join tickets: a gateway signs, an SFU node checks; the node holds public keys only.

JSON Web Tokens (RFC 7519) under Ed25519 (RFC 8037), no other algorithm. A ticket is for one device, one
call and one node, lives JOIN_TICKET_LIFETIME_S, and the node takes each once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ringline.protocol import limits
from ringline.protocol.types import Address

ALGORITHM: Final = "EdDSA"
ISSUER: Final = "ringline"
CLOCK_SKEW_S: Final = 5
"""A ticket may come from a gateway whose clock is this much ahead."""
_CLAIMS: Final = ("iss", "aud", "sub", "call", "jti", "iat", "exp")
_SUBJECT: Final = re.compile(r"([0-9a-f-]{36})\.([0-9]{1,3})")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


class TicketRefused(Exception):
    """The text says which rule it breaks, without quoting the ticket."""


@dataclass(frozen=True, slots=True)
class JoinClaims:
    device: Address
    call: UUID
    node: str
    id: str
    """Of the ticket: at least 128 random bits in base64url."""
    issued_at_s: int
    expires_at_s: int


class TicketSigner:
    def __init__(self, private_pem: str) -> None:
        """Raises ValueError for anything but an unencrypted Ed25519 private key."""
        key = load_pem_private_key(private_pem.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("join tickets are signed with an Ed25519 key")
        self._key = key

    def sign(self, device: Address, call: UUID, node: str, id: str, now_s: int) -> str:  # noqa: A002
        claims = {
            "iss": ISSUER,
            "aud": node,
            "sub": str(device),
            "call": str(call),
            "jti": id,
            "iat": now_s,
            "exp": now_s + limits.JOIN_TICKET_LIFETIME_S,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)


class TicketVerifier:
    def __init__(self, public_pems: Sequence[str]) -> None:
        """Raises ValueError for no key, or anything but Ed25519 public keys."""
        if not public_pems:
            raise ValueError("join tickets need a public key")
        self._keys = [_public_key(pem) for pem in public_pems]

    def verify(self, text: str, node: str, now_s: int) -> JoinClaims:
        """Raises TicketRefused. Whether it was used before is the node's own affair."""
        claims = self._signed(text)
        refusal = _refusal(claims, node, now_s)
        if refusal is not None:
            raise TicketRefused(refusal)
        try:
            return _join_claims(claims, node)
        except (ValueError, TypeError, AttributeError):
            raise TicketRefused("the ticket's claims are malformed") from None

    def _signed(self, text: str) -> dict[str, Any]:
        options: Any = {"require": list(_CLAIMS), "verify_signature": True}
        # Times and audience are checked below, against this node's own `now`.
        options |= dict.fromkeys(("verify_exp", "verify_iat", "verify_aud", "verify_iss"), False)
        for key in self._keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    text, key, algorithms=[ALGORITHM], options=options
                )
            except jwt.InvalidTokenError:
                continue
            return claims
        raise TicketRefused("no gateway of ours signed this ticket")


def _public_key(pem: str) -> Ed25519PublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("join tickets are checked with Ed25519 keys")
    return key


def _refusal(claims: dict[str, Any], node: str, now_s: int) -> str | None:
    issued, expires = claims["iat"], claims["exp"]
    if type(issued) is not int or type(expires) is not int:
        return "the ticket's claims are malformed"
    if claims["iss"] != ISSUER or claims["aud"] != node:
        return "the ticket is for another node"
    if now_s >= expires:
        return "the ticket has expired"
    if issued > now_s + CLOCK_SKEW_S or expires - issued > limits.JOIN_TICKET_LIFETIME_S:
        return "the ticket's times are not ours"
    return None


def _join_claims(claims: dict[str, Any], node: str) -> JoinClaims:
    subject, ticket = _SUBJECT.fullmatch(claims["sub"]), claims["jti"]
    if subject is None or _ID.fullmatch(ticket) is None:
        raise ValueError("malformed")
    number = int(subject[2])
    if not 1 <= number <= limits.DEVICE_NUMBER_MAX:
        raise ValueError("malformed")
    return JoinClaims(
        device=Address(UUID(subject[1]), number),
        call=UUID(claims["call"]),
        node=node,
        id=ticket,
        issued_at_s=claims["iat"],
        expires_at_s=claims["exp"],
    )
