"""What `Client.events` gives, in typed records. Times are UTC milliseconds."""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringline.client.content import Content
from ringline.protocol.problems import Problem
from ringline.protocol.types import (
    AccountId,
    Address,
    CallId,
    ConversationId,
    MessageId,
    PresenceState,
    ReceiptKind,
    TypingState,
)

if TYPE_CHECKING:
    from ringline.client.net.call import Call, IncomingCall


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Durable: given again after a crash until the event after it has been asked for."""

    id: MessageId
    conversation: ConversationId
    sender: Address
    sequence: int
    sent_at: int
    content: Content


@dataclass(frozen=True, slots=True)
class Gap:
    """Comes before a message that is not the next one of its sender device and conversation."""

    sender: Address
    conversation: ConversationId
    expected_sequence: int
    received_sequence: int


@dataclass(frozen=True, slots=True)
class CallMissed:
    """Durable, like a message."""

    call: CallId
    caller: AccountId
    at: int


@dataclass(frozen=True, slots=True)
class ReceiptReceived:
    kind: ReceiptKind
    by: Address
    conversation: ConversationId
    ids: tuple[MessageId, ...]
    at: int
    message_sender: AccountId


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """Something of the outbox was refused for good; it is not sent again."""

    id: MessageId
    conversation: ConversationId
    problem: Problem


@dataclass(frozen=True, slots=True)
class CallReceived:
    """It rings. Answer with `call.accept`, `call.decline` or `call.busy`."""

    call: "IncomingCall"


@dataclass(frozen=True, slots=True)
class CallChanged:
    """`call.phase` is another one now; `call.reason` says why it ended."""

    call: "Call"


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    account: AccountId
    state: PresenceState
    last_seen: int | None


@dataclass(frozen=True, slots=True)
class TypingChanged:
    sender: Address
    conversation: ConversationId
    state: TypingState


class ConnectionPhase(enum.Enum):
    CONNECTING = "connecting"
    READY = "ready"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """`reason` is a close code's name, `unreachable` or `silent`; `retry_in_ms` with WAITING."""

    phase: ConnectionPhase
    reason: str | None = None
    retry_in_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What had waited on the server has come."""


@dataclass(frozen=True, slots=True)
class AccountReplaced:
    """For good: the number was registered again elsewhere."""


@dataclass(frozen=True, slots=True)
class DeviceRevoked:
    """For good: this device was removed from its account."""


@dataclass(frozen=True, slots=True)
class ConnectionReplaced:
    """Another program is connected as this device; this one does not come back by itself."""


Event = (
    MessageReceived
    | Gap
    | CallMissed
    | ReceiptReceived
    | MessageFailed
    | CallReceived
    | CallChanged
    | PresenceChanged
    | TypingChanged
    | ConnectionChanged
    | CaughtUp
    | AccountReplaced
    | DeviceRevoked
    | ConnectionReplaced
)
