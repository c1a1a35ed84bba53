"""The words that every wire message is made of, with their bounds."""

import enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from ringline.protocol import limits

AccountId = UUID
"""UUIDv4, made by the server; it is the Signal ACI."""
MessageId = UUID
"""UUIDv7, made by the client."""
CallId = UUID
"""UUIDv7, made by the client."""
ConversationId = UUID
"""One to one: the other account. Group: the group's id."""

DeviceNumber = Annotated[int, Meta(ge=1, le=limits.DEVICE_NUMBER_MAX)]
RegistrationId = Annotated[int, Meta(ge=0, le=limits.REGISTRATION_ID_MAX)]
Sequence = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Milliseconds = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""UTC milliseconds since 1970."""
Reference = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""Chosen by the client, echoed in the answer; 0 asks for no answer but an error."""
Body = Annotated[bytes, Meta(min_length=1, max_length=limits.BODY_BYTES_MAX)]
CallBody = Annotated[bytes, Meta(min_length=1, max_length=limits.CALL_BODY_BYTES_MAX)]
DeviceName = Annotated[str, Meta(min_length=1, max_length=limits.DEVICE_NAME_CHARACTERS_MAX)]
PhoneNumberText = Annotated[str, Meta(min_length=3, max_length=32)]
"""Any spelling with a leading +; the server stores and answers E.164."""
Token = Annotated[str, Meta(min_length=20, max_length=128, pattern="^[A-Za-z0-9_-]+$")]
"""256 random bits in base64url."""


class Address(Struct, frozen=True, forbid_unknown_fields=True):
    """One device of one account."""

    account: AccountId
    device: DeviceNumber

    def __str__(self) -> str:
        return f"{self.account}.{self.device}"


class DeviceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The opaque body for one recipient device."""

    device: DeviceNumber
    registration_id: RegistrationId
    body: Body


class Recipient(Struct, frozen=True, forbid_unknown_fields=True):
    """One account's devices in a send: exactly its current list, or the send is refused."""

    account: AccountId
    bodies: Annotated[list[DeviceBody], Meta(max_length=limits.DEVICE_NUMBER_MAX)]


class ContentType(enum.Enum):
    """What kind of sealing the bodies of a send carry."""

    UNSEALED = "unsealed"


class ReceiptKind(enum.Enum):
    DELIVERED = "delivered"
    READ = "read"


class CallKind(enum.Enum):
    """Kinds of a call event. The first seven are sent by clients, all are received."""

    INVITE = "invite"
    RINGING = "ringing"
    ACCEPT = "accept"
    DECLINE = "decline"
    BUSY = "busy"
    CANCEL = "cancel"
    HANG_UP = "hang-up"
    TIME_OUT = "time-out"
    MISSED = "missed"
    TAKEN_ELSEWHERE = "taken-elsewhere"


class CallState(enum.Enum):
    RINGING = "ringing"
    ACCEPTED = "accepted"
    ENDED = "ended"


class TypingState(enum.Enum):
    STARTED = "started"
    STOPPED = "stopped"


class ContactState(enum.Enum):
    REQUESTED = "requested"
    """They wrote first; nothing of theirs rings here yet."""
    ACCEPTED = "accepted"


class PresenceState(enum.Enum):
    ONLINE = "online"
    OFFLINE = "offline"
