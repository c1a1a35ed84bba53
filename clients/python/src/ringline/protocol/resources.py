"""Every REST body, once. All are JSON; times are UTC milliseconds."""

from typing import Annotated

from msgspec import Meta, Struct

from ringline.protocol import limits
from ringline.protocol.types import (
    AccountId,
    Address,
    CallId,
    CallKind,
    CallState,
    ContactState,
    ContentType,
    ConversationId,
    DeviceName,
    DeviceNumber,
    MessageId,
    Milliseconds,
    PhoneNumberText,
    Recipient,
    RegistrationId,
    Sequence,
    Token,
)


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Resource(Struct, frozen=True, kw_only=True):
    pass


class NewRegistration(Request, frozen=True, kw_only=True):
    number: PhoneNumberText


class Registration(Resource, frozen=True, kw_only=True):
    """A code is on its way to the number."""

    registration: Token
    code_expires_at: Milliseconds
    resend_at: Milliseconds
    """Before then another code is refused."""


class NewDevice(Request, frozen=True, kw_only=True):
    name: DeviceName
    registration_id: RegistrationId


class Verification(Request, frozen=True, kw_only=True):
    code: Annotated[str, Meta(pattern="^[0-9]{6}$")]
    device: NewDevice


class LinkedDevice(Request, frozen=True, kw_only=True):
    """Joins the account of the device that shows the code."""

    link_code: Annotated[str, Meta(min_length=8, max_length=64)]
    device: NewDevice


class DeviceCredential(Resource, frozen=True, kw_only=True):
    """Shown once. The credential buys access tokens until the device is revoked."""

    account: AccountId
    device: DeviceNumber
    number: str
    credential: Token


class NewAccessToken(Request, frozen=True, kw_only=True):
    account: AccountId
    device: DeviceNumber
    credential: Token


class AccessToken(Resource, frozen=True, kw_only=True):
    access_token: Token
    expires_at: Milliseconds


class Device(Resource, frozen=True, kw_only=True):
    device: DeviceNumber
    name: str
    registration_id: RegistrationId
    created_at: Milliseconds
    last_seen_at: Milliseconds | None


class Account(Resource, frozen=True, kw_only=True):
    account: AccountId
    number: str
    device: DeviceNumber
    """The device that asks."""
    devices: list[Device]


class LinkCode(Resource, frozen=True, kw_only=True):
    link_code: str
    expires_at: Milliseconds


class DeviceAddress(Resource, frozen=True, kw_only=True):
    device: DeviceNumber
    registration_id: RegistrationId


class DeviceAddresses(Resource, frozen=True, kw_only=True):
    """What a send to this account must list."""

    account: AccountId
    devices: list[DeviceAddress]


class Lookup(Request, frozen=True, kw_only=True):
    numbers: Annotated[
        list[PhoneNumberText], Meta(min_length=1, max_length=limits.LOOKUP_NUMBERS_MAX)
    ]


class Found(Resource, frozen=True, kw_only=True):
    number: str
    account: AccountId


class LookupResult(Resource, frozen=True, kw_only=True):
    found: list[Found]
    new_numbers_left: int
    """Of today's budget."""


class Contact(Resource, frozen=True, kw_only=True):
    account: AccountId
    state: ContactState


class Contacts(Resource, frozen=True, kw_only=True):
    contacts: list[Contact]


class NewMessage(Request, frozen=True, kw_only=True):
    """The REST twin of the `send` frame."""

    id: MessageId
    conversation: ConversationId
    sequence: Sequence
    content_type: ContentType
    recipients: Annotated[list[Recipient], Meta(min_length=1, max_length=2)]


class SentMessage(Resource, frozen=True, kw_only=True):
    id: MessageId
    sent_at: Milliseconds


class CallRecord(Resource, frozen=True, kw_only=True):
    call: CallId
    caller: Address
    callee: AccountId
    state: CallState
    accepted_by: DeviceNumber | None
    reason: CallKind | None
    created_at: Milliseconds
    accepted_at: Milliseconds | None
    ended_at: Milliseconds | None


class RelayCredentials(Resource, frozen=True, kw_only=True):
    """For the relays (TURN, RFC 8656 §5; long-term credentials, RFC 8489 §9.2), for this call alone."""

    uris: list[str]
    """RFC 7065: `turn:host:port?transport=udp`. Empty: this installation has no relay now."""
    username: str
    """`allocate_until:refresh_until:account:call`, times in UTC seconds."""
    password: str
    allocate_until: Milliseconds
    refresh_until: Milliseconds


class NewGroupCall(Request, frozen=True, kw_only=True):
    call: CallId
    members: Annotated[list[AccountId], Meta(max_length=limits.GROUP_CALL_MEMBERS_MAX)] = []
    """Who may join without the link, beside oneself."""


class GroupCall(Resource, frozen=True, kw_only=True):
    call: CallId
    creator: AccountId
    members: list[AccountId]
    link_token: Token
    """Whoever is logged in and knows it may join: `{server}/join/{call}#{link_token}`."""
    created_at: Milliseconds
    ended_at: Milliseconds | None


class NewJoinTicket(Request, frozen=True, kw_only=True):
    link_token: Token | None = None
    """Needed by who is not a member."""


class JoinTicket(Resource, frozen=True, kw_only=True):
    ticket: str
    node: str
    path: str
    """Where to open the WebSocket, on this same server: `/v1/sfu/{node}`."""
    expires_at: Milliseconds
