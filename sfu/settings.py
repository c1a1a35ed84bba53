"""What an operator may say about the SFU, each key with its default and bounds."""

from typing import Annotated

from msgspec import Meta, Struct

from ringline.protocol import limits

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]


class SfuSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[sfu]` table of the configuration."""

    media_host: str = "127.0.0.1"
    """The address that media comes to, UDP. A specific one, not 0.0.0.0."""
    media_port: Port = 3480
    """One port for everybody. 0 takes a free one."""
    external_address: str = ""
    """What clients are told, when the machine is behind an address translation; empty: `media_host`."""
    signalling_host: str = "127.0.0.1"
    """Where gateways reach this node; not for clients."""
    signalling_port: Port = 8081
    admin_host: str = "127.0.0.1"
    """Metrics and health."""
    admin_port: Port = 9091
    node: str = ""
    """The beginning of this node's name; a random part is added at each start."""
    ticket_public_keys: tuple[str, ...] = ()
    """Of the gateways: Ed25519, PEM (or references to it). Empty: the data directory's own."""

    calls_max: Count = 1_000
    participants_max: Count = 2_000
    """On this node, all calls together."""
    participants_per_call_max: Annotated[int, Meta(ge=2, le=1024)] = (
        limits.GROUP_CALL_PARTICIPANTS_MAX
    )
    tracks_per_participant_max: Annotated[int, Meta(ge=1, le=16)] = 4
    half_open_transports_max: Count = 256
    """Offered and not yet connected, on this node."""
    half_open_transports_per_address_max: Count = 32
    transport_setup_timeout_s: Seconds = 15
    offers_per_s: Count = 5
    """Of one participant, in the long run."""
    offers_burst: Count = 20
    tickets_remembered_max: Count = 100_000
    """Used tickets, until they expire: none works twice."""
    consent_timeout_s: Annotated[float, Meta(gt=0, le=30)] = limits.MEDIA_CONSENT_S
    resume_timeout_s: Annotated[float, Meta(gt=0, le=120)] = 30
    """How long a stay without a connection waits for it to come back."""
    authentication_timeout_s: Seconds = limits.AUTHENTICATION_TIMEOUT_S
    heartbeat_interval_s: Annotated[int, Meta(ge=1, le=600)] = limits.HEARTBEAT_INTERVAL_S
    heartbeat_timeout_s: Seconds = 12
    sending_bytes_max: Count = 2 * 1024 * 1024
    """Frames of one connection that wait to be written."""
    keyframe_request_interval_ms: Annotated[int, Meta(ge=100, le=5_000)] = 500
    """A publisher is asked for a key frame of a track at most this often."""
    video_bitrate_max: Count = 1_500_000
    """bit/s of one published picture: what REMB tells publishers."""
    stop_timeout_s: Seconds = 5
    announce_s: Annotated[float, Meta(gt=0, le=60)] = 5
    """How often the node says in the registry that it is there, and how busy."""
