"""Relay credentials that need no store: made by gateways, checked by relays, with a shared secret.

They are long-term credentials (RFC 8489 §9.2) whose user name says for whom, for which call and until
when they are good, and whose password is an HMAC of that name.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

NAME_CHARACTERS_MAX: Final = 128
_NAME: Final = re.compile(
    r"([0-9]{1,12}):([0-9]{1,12})"
    r":([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)


@dataclass(frozen=True, slots=True)
class CredentialName:
    """Times in UTC seconds."""

    allocate_until_s: int
    refresh_until_s: int
    account: UUID
    call: UUID

    def __str__(self) -> str:
        return f"{self.allocate_until_s}:{self.refresh_until_s}:{self.account}:{self.call}"


def read_username(text: str) -> CredentialName | None:
    """None for anything that `issue` does not write, character by character."""
    match = _NAME.fullmatch(text) if len(text) <= NAME_CHARACTERS_MAX else None
    if match is None:
        return None
    name = CredentialName(int(match[1]), int(match[2]), UUID(match[3]), UUID(match[4]))
    return name if str(name) == text else None


def password(secret: str, username: str) -> str:
    """Base64 of HMAC-SHA-256. Raises ValueError for an empty secret."""
    if not secret:
        raise ValueError("relay credentials need a secret")
    digest = hmac.digest(secret.encode(), username.encode(), "sha256")
    return base64.b64encode(digest).decode("ascii")


def issue(
    secret: str, account: UUID, call: UUID, allocate_until_s: int, refresh_until_s: int
) -> tuple[str, str]:
    """User name and password."""
    username = str(CredentialName(allocate_until_s, refresh_until_s, account, call))
    return username, password(secret, username)


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """What MESSAGE-INTEGRITY is keyed with, RFC 8489 §9.2.2."""
    text = f"{username}:{realm}:{password}".encode()
    return hashlib.md5(text, usedforsecurity=False).digest()
