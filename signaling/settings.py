"""What an operator may say about the gateway, each key with its default and bounds."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from ringline.protocol import limits

SENDING_BYTES_MAX: Final = 768 * 1024
"""Frames of one connection that wait to be written; with the transport's 64 KiB and the kernel's
128 KiB, a client that never reads costs less than 1 MiB."""
WINDOW_BYTES_MAX: Final = 384 * 1024
"""Payloads of one connection that were delivered and are not acknowledged."""
TRANSPORT_BYTES_MAX: Final = 64 * 1024
KERNEL_BYTES_MAX: Final = 64 * 1024
"""Of the socket's send buffer; Linux doubles it for its own book-keeping."""
CLOSE_TIMEOUT_S: Final = 3
HEADER_LINE_BYTES_MAX: Final = 8 * 1024
HEADERS_MAX: Final = 64

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[gateway]` table of the configuration."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0 takes a free one."""
    admin_host: str = "127.0.0.1"
    """Metrics and health: keep it on loopback or behind something that asks who is there."""
    admin_port: Annotated[int, Meta(ge=0, le=65535)] = 9090
    node: str = ""
    """This node's name among all gateways; empty: a random one at each start."""
    certificate_file: str = ""
    """PEM chain; with `private_key_file`, TLS 1.2 or newer is spoken on `port`."""
    private_key_file: str = ""
    allowed_origins: tuple[str, ...] = ()
    """Web pages that may open the socket: `https://talk.example.org`, exact."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` is believed."""

    account_frames_per_s: Count = 500
    """One account's REST requests and frames on this node together, in the long run."""
    account_frames_burst: Count = 2_000
    address_requests_per_s: Count = 100
    """Requests without a valid access token by one client address (IPv6: its /64)."""
    address_requests_burst: Count = 1_000
    throttled_s_max: Seconds = 30
    """A connection that the limit has held back without a pause for this long is closed."""

    connections_max: Count = 20_000
    """Open connections; lowered at start to what the file descriptor limit allows."""
    descriptors_reserved: Count = 128
    """File descriptors kept for the stores, Redis and the logs."""
    anonymous_connections_per_address_max: Count = 256
    """Connections of one client address on which nobody has logged in yet."""

    idle_timeout_s: Seconds = 10
    """Without a whole request head for this long, the connection is closed."""
    body_timeout_s: Seconds = 20
    authentication_timeout_s: Seconds = limits.AUTHENTICATION_TIMEOUT_S
    heartbeat_interval_s: Annotated[int, Meta(ge=1, le=600)] = limits.HEARTBEAT_INTERVAL_S
    heartbeat_timeout_s: Seconds = 12
    """A ping unanswered for this long ends the connection."""
    expired_token_grace_s: Annotated[float, Meta(ge=0, le=50)] = limits.EXPIRED_TOKEN_GRACE_S
    send_timeout_s: Seconds = 10
    """A frame that cannot be written for this long ends the connection."""
    stop_timeout_s: Seconds = 10

    ticket_private_key: str = ""
    """Signs join tickets for group calls: Ed25519, PEM (a reference). Empty: the data directory's own."""
    operator_token: str = ""
    """Opens the operator's routes on the administrative port (a reference). Empty: the data directory's
    own."""
    group_calls_per_account_hour: Count = 120
    join_tickets_per_account_minute: Count = 120
    relay_credentials_per_account_hour: Count = 600
    sfu_connections_max: Count = 5_000
    """WebSockets to SFU nodes that pass through this gateway."""

    slow_poll_s: Annotated[int, Meta(ge=1, le=600)] = 30
    """Every queue is looked at this often even if no wake-up comes."""
    lease_renewal_s: Seconds = 60
    call_expiry_s: Seconds = 1
    sweep_s: Seconds = 60
    """Expired entries are deleted this often."""

    def __post_init__(self) -> None:
        if bool(self.certificate_file) != bool(self.private_key_file):
            raise ValueError("certificate_file and private_key_file go together")
