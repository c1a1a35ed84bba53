"""Every frame of the live connection (`/v1/socket`), once.

A client frame carries `ref`; its answer (`sent`, `done`, `refreshed` or `error`) echoes it.
Frames of one connection are worked on in the order they came, per conversation and per call.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from ringline.protocol import limits
from ringline.protocol.problems import Problem
from ringline.protocol.types import (
    AccountId,
    Address,
    CallBody,
    CallId,
    CallKind,
    CallState,
    ContentType,
    ConversationId,
    DeviceNumber,
    MessageId,
    Milliseconds,
    Position,
    PresenceState,
    ReceiptKind,
    Recipient,
    Reference,
    RegistrationId,
    Sequence,
    Token,
    TypingState,
)


class ClientFrame(Struct, frozen=True, tag_field="type", kw_only=True, forbid_unknown_fields=True):
    ref: Reference = 0


class Authenticate(ClientFrame, tag="authenticate", frozen=True, kw_only=True):
    """The first frame, within 10 s. Answered by `ready`."""

    token: Token
    resume_after: Position | None = None
    """The highest delivery position this device has kept: acknowledges it and all before it."""


class Refresh(ClientFrame, tag="refresh", frozen=True, kw_only=True):
    """A new access token of the same device, before the old one expires. Answered by `refreshed`."""

    token: Token


class Send(ClientFrame, tag="send", frozen=True, kw_only=True):
    """A message. Answered by `sent` after the durable commit; a retry with the same id is the same message."""

    id: MessageId
    conversation: ConversationId
    sequence: Sequence
    """1, 2, 3, … per (this device, conversation), without a gap."""
    content_type: ContentType
    recipients: Annotated[list[Recipient], Meta(min_length=1, max_length=2)]
    """One to one: the other account and one's own other devices (left out when there are none)."""


class Acknowledge(ClientFrame, tag="acknowledge", frozen=True, kw_only=True):
    """These deliveries are kept by this device; they leave its queue."""

    positions: Annotated[
        list[Position], Meta(min_length=1, max_length=limits.ACKNOWLEDGE_POSITIONS_MAX)
    ]


class Read(ClientFrame, tag="read", frozen=True, kw_only=True):
    """The person has seen these messages of `account`."""

    account: AccountId
    conversation: ConversationId
    ids: Annotated[list[MessageId], Meta(min_length=1, max_length=limits.READ_IDS_MAX)]


class Typing(ClientFrame, tag="typing", frozen=True, kw_only=True):
    """Goes to the devices that are on line, and is never kept."""

    conversation: ConversationId
    state: TypingState


class Watch(ClientFrame, tag="watch", frozen=True, kw_only=True):
    """Replaces the set of accounts whose presence this connection is told of."""

    accounts: Annotated[list[AccountId], Meta(max_length=limits.WATCH_ACCOUNTS_MAX)]


class CallDeviceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The opaque body (offer, answer, candidates) for one device of the other account."""

    device: DeviceNumber
    registration_id: RegistrationId
    body: CallBody


class Call(ClientFrame, tag="call", frozen=True, kw_only=True):
    """A call event. `invite` names the other account; the others name the call alone.

    An `invite` carries the offer for every device of the callee, `accept` the answer for the calling
    device. Answered by `call-state`.
    """

    call: CallId
    kind: CallKind
    to: AccountId | UnsetType = UNSET
    lifetime_ms: Annotated[int, Meta(ge=1000, le=limits.RING_LIFETIME_S_MAX * 1000)] = (
        limits.RING_TIMEOUT_S * 1000
    )
    """How long an invite rings."""
    bodies: Annotated[list[CallDeviceBody], Meta(max_length=limits.DEVICE_NUMBER_MAX)] = []


class Ping(ClientFrame, tag="ping", frozen=True, kw_only=True):
    """For clients that cannot send WebSocket pings. Answered by `pong`."""


AnyClientFrame = Authenticate | Refresh | Send | Acknowledge | Read | Typing | Watch | Call | Ping


class ServerFrame(Struct, frozen=True, tag_field="type", kw_only=True):
    pass


class Ready(ServerFrame, tag="ready", frozen=True, kw_only=True):
    """This connection is the device's. What its queue holds follows, oldest first, then `caught-up`."""

    ref: Reference
    account: AccountId
    device: DeviceNumber
    session: str
    time: Milliseconds
    token_expires_at: Milliseconds
    heartbeat_s: int
    window: int
    backlog: int
    """Entries in the queue at this moment."""


class CaughtUp(ServerFrame, tag="caught-up", frozen=True, kw_only=True):
    """Everything that waited has been delivered; what follows is live."""


class Refreshed(ServerFrame, tag="refreshed", frozen=True, kw_only=True):
    ref: Reference
    token_expires_at: Milliseconds


class Sent(ServerFrame, tag="sent", frozen=True, kw_only=True):
    """The message is durable in every recipient device's queue."""

    ref: Reference
    id: MessageId
    sent_at: Milliseconds


class Done(ServerFrame, tag="done", frozen=True, kw_only=True):
    ref: Reference


class Pong(ServerFrame, tag="pong", frozen=True, kw_only=True):
    ref: Reference


class Error(ServerFrame, tag="error", frozen=True, kw_only=True):
    """The frame with this `ref` was refused; nothing of it took effect."""

    ref: Reference
    problem: Problem


class CallStatus(ServerFrame, tag="call-state", frozen=True, kw_only=True):
    """How the call stands after one's own event."""

    ref: Reference
    call: CallId
    state: CallState
    reason: CallKind | None
    """Why it ended; None while it lives."""
    lost_to: CallId | None = None
    """Glare: this call lost; its invite became an accept of that call, whose invite is in the queue."""


class Presence(ServerFrame, tag="presence", frozen=True, kw_only=True):
    account: AccountId
    state: PresenceState
    last_seen: Milliseconds | None


class TypingNotice(ServerFrame, tag="typing", frozen=True, kw_only=True):
    sender: Address
    conversation: ConversationId
    state: TypingState


class Entry(Struct, frozen=True, tag_field="type", kw_only=True):
    """What a device queue holds."""


class Message(Entry, tag="message", frozen=True, kw_only=True):
    id: MessageId
    conversation: ConversationId
    """As the receiving account names it: the other account of a one-to-one conversation."""
    sender: Address
    sequence: Sequence
    sent_at: Milliseconds
    content_type: ContentType
    body: bytes


class Receipt(Entry, tag="receipt", frozen=True, kw_only=True):
    kind: ReceiptKind
    by: Address
    conversation: ConversationId
    ids: list[MessageId]
    at: Milliseconds
    message_sender: AccountId
    """Whose messages these are: one's own, or (a `read` of one's own other device) the other's."""


class CallEvent(Entry, tag="call", frozen=True, kw_only=True):
    call: CallId
    kind: CallKind
    sender: Address
    """The device that caused it."""
    caller: AccountId
    callee: AccountId
    at: Milliseconds
    expires_at: Milliseconds
    """An invite rings until then."""
    glare: bool = False
    """An invite whose call this device has already accepted by inviting: answer it at once."""
    outcome: CallKind | None = None
    """`taken-elsewhere` only: accept, decline or busy."""
    body: bytes = b""


AnyEntry = Message | Receipt | CallEvent


class Deliver(ServerFrame, tag="deliver", frozen=True, kw_only=True):
    """An entry of this device's queue. Positions rise; an entry comes again until acknowledged."""

    position: Position
    entry: AnyEntry


AnyServerFrame = (
    Ready
    | CaughtUp
    | Refreshed
    | Sent
    | Done
    | Pong
    | Error
    | CallStatus
    | Presence
    | TypingNotice
    | Deliver
)
