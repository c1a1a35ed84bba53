"""What an operator may say about Redis, for the registry and the bus alike."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from ringline.protocol import limits

SCHEMES: Final = ("redis://", "rediss://", "unix://")


class RegistrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[registry]` table of the configuration. Raises ValueError for a value out of bounds."""

    url: str = "redis://127.0.0.1:6379/0"
    """`redis://host:port/db`, `rediss://…` (TLS) or `unix:///path/to/socket`."""
    key_prefix: Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$")] = "ringline"
    """Begins every key and channel, so that two installations can share a Redis."""
    deadline_ms: Annotated[int, Meta(ge=50, le=30_000)] = 2_000
    """A round trip that takes longer has failed."""
    presence_lease_s: Annotated[int, Meta(ge=1, le=3_600)] = limits.PRESENCE_LEASE_S
    """A device whose node fell silent is off line after this. Nodes renew well before."""
    connections_max: Annotated[int, Meta(ge=1, le=256)] = 16
    """Connections of one process to Redis, the bus's two not counted."""
    bus_outgoing_messages_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Messages of one process that wait to be published; further ones are refused."""
    bus_reconnect_s_max: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """The longest pause between two attempts to listen again."""

    def __post_init__(self) -> None:
        if not self.url.startswith(SCHEMES):
            raise ValueError(f"registry url must begin with one of {', '.join(SCHEMES)}")
