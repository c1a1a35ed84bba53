"""What the rest of the SFU knows of media transports, a port: `net/media_port.py` is the real one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sfu.plane import Plane, SocketAddress


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """RFC 8122 §5."""

    algorithm: str
    """`sha-256`, `sha-384` or `sha-512`, lower case."""
    value: str
    """Upper-case hexadecimal octets with colons."""


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """What the client's offer says of its side."""

    ufrag: str
    password: str
    fingerprints: Sequence[Fingerprint]
    """At least one that we know; the certificate must match them all."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """What our answer says: `a=ice-lite`, `a=setup:passive`."""

    ufrag: str
    password: str
    fingerprint: Fingerprint
    addresses: Sequence[SocketAddress]
    """Host candidates: as advertised."""


class TransportObserver(Protocol):
    """Told by the transport; must return at once."""

    def on_connected(self, peer: int, profile: str) -> None:
        """ICE, DTLS and the fingerprint are right; the plane has the keys."""

    def on_ended(self, peer: int, reason: str) -> None:
        """`failed` (DTLS, fingerprint, time-out of set-up), `silent` (RFC 7675) or `closed` (by the
        client's DTLS alert). Nothing is sent to it any more, and the plane has forgotten it. Not
        called after `close`."""


class TransportsFull(Exception):
    """No more half-open or open transports; try later."""


class MediaTransports(Protocol):
    @property
    def plane(self) -> Plane: ...

    def open(self, peer: int, remote: RemoteTransport) -> LocalTransport:
        """Wait for the client's checks. Raises TransportsFull."""

    def restart(self, peer: int, remote: RemoteTransport) -> LocalTransport:
        """ICE restart (RFC 8445 §9): new credentials, the same DTLS association and keys."""

    def close(self, peer: int) -> None:
        """With a DTLS close_notify. Harmless to repeat."""
