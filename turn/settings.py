"""What an operator may say about the relay, each key with its default and bounds."""

from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class RelaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[relay]` table of the configuration."""

    host: str = "127.0.0.1"
    """The address to listen on; relayed addresses are taken on it too. A specific one, not 0.0.0.0."""
    port: Port = 3478
    """UDP. 0 takes a free one."""
    external_address: str = ""
    """The IP address that clients are told, when the machine is behind an address translation; empty: `host`."""
    relayed_port_min: Annotated[int, Meta(ge=1024, le=65535)] = 49152
    relayed_port_max: Annotated[int, Meta(ge=1024, le=65535)] = 65535
    admin_host: str = "127.0.0.1"
    """Metrics and health."""
    admin_port: Port = 9092
    node: str = ""
    """This node's name among all relays; empty: a random one at each start."""
    realm: Annotated[str, Meta(min_length=1, max_length=20, pattern="^[ -~]+$")] = "ringline"
    """Short: it is in every challenge, which must stay below 2.5 times its request."""
    secret: str = ""
    """Shared by gateways and relays: credentials are made and checked with it. Empty: the data
    directory's own, which `ringlined up` makes."""
    previous_secret: str = ""
    """Still taken while an old one is being replaced."""
    allow_private_peers: bool = False
    """Relay to private and loopback addresses. In development only."""

    allocations_max: Count = 4_000
    allocations_per_account_max: Count = 10
    allocations_per_address_max: Count = 100
    """Of one client address (IPv6: its /64)."""
    permissions_per_allocation_max: Count = 32
    channels_per_allocation_max: Count = 32
    allocation_lifetime_s: Annotated[int, Meta(ge=2, le=3600)] = 600
    """RFC 8656 §7.2: what an allocation gets that asks for no other."""
    allocation_lifetime_s_max: Annotated[int, Meta(ge=2, le=3600)] = 3600
    permission_lifetime_s: Annotated[int, Meta(ge=1, le=600)] = 300
    channel_lifetime_s: Annotated[int, Meta(ge=1, le=1200)] = 600
    nonce_lifetime_s: Annotated[int, Meta(ge=1, le=3600)] = 600
    challenges_per_source_s: Count = 50
    """Error replies to one source address in a second; the rest is dropped and counted."""
    challenges_per_s: Count = 20_000
    """To all together. Above what a flood from forged sources may bring: when it is used up, newcomers
    are turned away as well. (A victim of reflection is spared by the limit for each source.)"""
    stop_timeout_s: Annotated[float, Meta(gt=0)] = 5
    announce_s: Annotated[float, Meta(gt=0, le=60)] = 5
    """How often the node says in the registry that it is there, and how busy."""

    def __post_init__(self) -> None:
        if self.host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            raise ValueError("host must be one address: relayed addresses are taken on it")
        if ip_address(self.external_address or "192.0.2.1").is_unspecified:
            raise ValueError("external_address must be one that clients can reach")
        if self.relayed_port_min > self.relayed_port_max:
            raise ValueError("relayed_port_min is above relayed_port_max")
        if self.allocation_lifetime_s > self.allocation_lifetime_s_max:
            raise ValueError("allocation_lifetime_s is above allocation_lifetime_s_max")
