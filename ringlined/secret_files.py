"""The installation's own secrets, in its data directory, for whoever configures none.

`ringlined up` makes them once; each role reads those it needs. Only this user can read them.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from backplane.tickets import TicketSigner, TicketVerifier
from ringlined.config import Config
from signaling.gateway_secrets import GatewaySecrets

DIRECTORY: Final = "secrets"
RELAY: Final = "relay"
TICKET_KEY: Final = "ticket.key"
TICKET_PUBLIC_KEY: Final = "ticket.pub"
OPERATOR: Final = "operator"
SECRET_BYTES: Final = 32
FILE_BYTES_MAX: Final = 64 * 1024


class SecretMissing(Exception):
    """A role cannot start without it; the text says which and what to do."""


def make_secrets(data: Path) -> None:
    """Those that are not there yet. Raises OSError."""
    place = data / DIRECTORY
    place.mkdir(mode=0o700, exist_ok=True)
    for name in (RELAY, OPERATOR):
        if not (place / name).exists():
            _write(place / name, secrets.token_urlsafe(SECRET_BYTES))
    if not ((place / TICKET_KEY).exists() and (place / TICKET_PUBLIC_KEY).exists()):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _write(place / TICKET_PUBLIC_KEY, public.decode())
        _write(place / TICKET_KEY, private.decode())


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def gateway_secrets(config: Config) -> GatewaySecrets:
    """What there is. Raises ValueError for a key that is none."""
    private = config.gateway.ticket_private_key or _read(config, TICKET_KEY)
    return GatewaySecrets(
        relay_secret=config.relay.secret or _read(config, RELAY),
        relay_realm=config.relay.realm,
        tickets=TicketSigner(private) if private else None,
        operator_token=operator_token(config),
    )


def operator_token(config: Config) -> str:
    """Empty when there is none."""
    return config.gateway.operator_token or _read(config, OPERATOR)


def relay_secrets(config: Config) -> list[str]:
    """The current one, then the previous. Raises SecretMissing."""
    current = config.relay.secret or _read(config, RELAY)
    if not current:
        raise SecretMissing("relay.secret is empty, and the data directory has none: name one")
    return [each for each in (current, config.relay.previous_secret) if each]


def ticket_verifier(config: Config) -> TicketVerifier:
    """Raises SecretMissing, or ValueError for a key that is none."""
    keys = [*config.sfu.ticket_public_keys] or [_read(config, TICKET_PUBLIC_KEY)]
    if not all(keys):
        raise SecretMissing(
            "sfu.ticket_public_keys is empty, and the data directory has none: name the gateways' key"
        )
    return TicketVerifier(keys)


def _read(config: Config, name: str) -> str:
    """Empty when there is no such file."""
    path = Path(config.storage.directory) / DIRECTORY / name
    try:
        with path.open(encoding="ascii") as file:
            return file.read(FILE_BYTES_MAX).strip()
    except FileNotFoundError:
        return ""
