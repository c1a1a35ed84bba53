"""Every frame between a client and an SFU node (`/v1/sfu/{node}`), once.

The client's first frame is `join` or `resume`, within 10 s. It always makes the offers, one at a time:
after `track-published` it adds a media section that receives and names the track for it. The SFU
always answers. Encodings and sub-protocols are those of the live connection.
"""

import enum
from typing import Annotated, Final

from msgspec import Meta, Struct

from ringline.protocol import limits
from ringline.protocol.problems import Problem
from ringline.protocol.types import AccountId, CallId, DeviceNumber, Reference, Token

Ticket = Annotated[str, Meta(min_length=20, max_length=2048, pattern=r"^[A-Za-z0-9_.-]+$")]
"""A JSON Web Token signed by a gateway (EdDSA): one use, for one node, one call, one device."""
ParticipantId = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[A-Za-z0-9_-]+$")]
"""Made by the SFU: one device's stay in one call. A resumed stay keeps it."""
TrackId = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[A-Za-z0-9_-]+$")]
"""Made by the SFU: one published sound or picture."""
MediaId = Annotated[str, Meta(min_length=1, max_length=16, pattern="^[A-Za-z0-9_-]+$")]
"""The `mid` of a media section (RFC 5888 §4, RFC 9143)."""
SessionDescription = Annotated[
    str, Meta(min_length=1, max_length=limits.GROUP_CALL_SDP_CHARACTERS_MAX)
]
DisplayName = Annotated[str, Meta(max_length=limits.DISPLAY_NAME_CHARACTERS_MAX)]
MEDIA_SECTIONS_MAX: Final = limits.GROUP_CALL_MEDIA_SECTIONS_MAX


class TrackKind(enum.Enum):
    AUDIO = "audio"
    VIDEO = "video"


class TrackSource(enum.Enum):
    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen-audio"


class LeaveReason(enum.Enum):
    LEFT = "left"
    SILENT = "silent"
    """Nothing valid came from it for 30 s, neither media checks nor a resumed connection."""
    FAILED = "failed"
    """Its media connection could not be made or broke."""
    REMOVED = "removed"
    CALL_ENDED = "call-ended"
    REPLACED = "replaced"
    """The same device joined again."""


class ClientFrame(Struct, frozen=True, tag_field="type", kw_only=True, forbid_unknown_fields=True):
    ref: Reference = 0


class Join(ClientFrame, tag="join", frozen=True, kw_only=True):
    """Answered by `joined`. A ticket works once."""

    ticket: Ticket
    name: DisplayName = ""
    """Shown to the other participants."""


class Resume(ClientFrame, tag="resume", frozen=True, kw_only=True):
    """Come back to one's stay after this connection broke: media was going on. Answered by `joined`."""

    secret: Token


class Publication(Struct, frozen=True, forbid_unknown_fields=True):
    source: TrackSource
    muted: bool = False


class Offer(ClientFrame, tag="offer", frozen=True, kw_only=True):
    """The whole description, as RTCPeerConnection made it. Answered by `answer`.

    `publish` names the media sections that send, `subscribe` what those that receive are for; a
    section that both lists leave out carries nothing.
    """

    sdp: SessionDescription
    publish: Annotated[dict[MediaId, Publication], Meta(max_length=MEDIA_SECTIONS_MAX)] = {}
    subscribe: Annotated[dict[MediaId, TrackId], Meta(max_length=MEDIA_SECTIONS_MAX)] = {}


class Mute(ClientFrame, tag="mute", frozen=True, kw_only=True):
    """One's own track: while muted, nothing of it is forwarded. Answered by `done`."""

    track: TrackId
    muted: bool


class Leave(ClientFrame, tag="leave", frozen=True, kw_only=True):
    """The stay ends now; the SFU closes the connection (1000)."""


class Ping(ClientFrame, tag="ping", frozen=True, kw_only=True):
    """For clients that cannot send WebSocket pings. Answered by `pong`."""


AnySfuClientFrame = Join | Resume | Offer | Mute | Leave | Ping


class Track(Struct, frozen=True, kw_only=True):
    track: TrackId
    kind: TrackKind
    source: TrackSource
    muted: bool


class Participant(Struct, frozen=True, kw_only=True):
    participant: ParticipantId
    account: AccountId
    device: DeviceNumber
    name: str
    tracks: list[Track]


class ServerFrame(Struct, frozen=True, tag_field="type", kw_only=True):
    pass


class Joined(ServerFrame, tag="joined", frozen=True, kw_only=True):
    """The whole state of the call, as of now; events follow."""

    ref: Reference
    call: CallId
    participant: ParticipantId
    """One's own."""
    resume_secret: Token
    """For one `resume`; a resumed stay gets another."""
    resumed: bool
    heartbeat_s: int
    participants: list[Participant]
    """The others, and (after a resume) oneself."""


class Answer(ServerFrame, tag="answer", frozen=True, kw_only=True):
    ref: Reference
    sdp: str
    published: dict[MediaId, TrackId]
    """Every track of one's own, by its media section."""
    subscribed: dict[MediaId, TrackId]
    """What is really forwarded: a track that ended meanwhile is missing."""


class ParticipantJoined(ServerFrame, tag="participant-joined", frozen=True, kw_only=True):
    participant: Participant


class ParticipantLeft(ServerFrame, tag="participant-left", frozen=True, kw_only=True):
    """Its tracks have ended, too."""

    participant: ParticipantId
    reason: LeaveReason


class TrackPublished(ServerFrame, tag="track-published", frozen=True, kw_only=True):
    participant: ParticipantId
    track: Track


class TrackEnded(ServerFrame, tag="track-ended", frozen=True, kw_only=True):
    participant: ParticipantId
    track: TrackId


class TrackMuted(ServerFrame, tag="track-muted", frozen=True, kw_only=True):
    participant: ParticipantId
    track: TrackId
    muted: bool


class MediaConnected(ServerFrame, tag="media-connected", frozen=True, kw_only=True):
    """One's own media connection is up, encrypted."""


class Done(ServerFrame, tag="done", frozen=True, kw_only=True):
    ref: Reference


class Pong(ServerFrame, tag="pong", frozen=True, kw_only=True):
    ref: Reference


class Error(ServerFrame, tag="error", frozen=True, kw_only=True):
    """The frame with this `ref` was refused; nothing of it took effect."""

    ref: Reference
    problem: Problem


AnySfuServerFrame = (
    Joined
    | Answer
    | ParticipantJoined
    | ParticipantLeft
    | TrackPublished
    | TrackEnded
    | TrackMuted
    | MediaConnected
    | Done
    | Pong
    | Error
)
