"""The relay's credentials made by hand: `allocate_until:refresh_until:account:call` and its HMAC."""

import base64
import hmac
import time
import uuid
from dataclasses import dataclass

SECRET = "the relay's secret of these tests"


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str


def credential(
    *,
    allocate_s: float = 600,
    refresh_s: float = 43_200,
    account: uuid.UUID | None = None,
    call: uuid.UUID | None = None,
    secret: str = SECRET,
) -> Credential:
    """Times in seconds from now; negative ones have passed."""
    now = time.time()
    username = f"{int(now + allocate_s)}:{int(now + refresh_s)}:{account or uuid.uuid4()}:{call or uuid.uuid4()}"
    return sign(username, secret)


def sign(username: str, secret: str = SECRET) -> Credential:
    digest = hmac.digest(secret.encode(), username.encode(), "sha256")
    return Credential(username, base64.b64encode(digest).decode())
