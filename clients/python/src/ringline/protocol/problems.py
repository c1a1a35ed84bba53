"""Problem details (RFC 9457): the one table of everything a client can be told went wrong.

`type` is stable and relative: `/problems/<name>`; docs/protocol.md describes each.
"""

import enum

from msgspec import Struct

from ringline.protocol.types import AccountId, DeviceNumber, Sequence


class DeviceDifference(Struct, frozen=True):
    """How a send's device list differs from the account's current one."""

    account: AccountId
    missing: list[DeviceNumber]
    extra: list[DeviceNumber]
    stale: list[DeviceNumber]
    """Listed with a registration id that is not the device's any more."""


class Problem(Struct, frozen=True, omit_defaults=True):
    type: str
    title: str
    status: int
    detail: str | None = None
    retry_after_s: int | None = None
    devices: list[DeviceDifference] | None = None
    expected_sequence: Sequence | None = None


class ProblemType(enum.Enum):
    """name, status, title."""

    MALFORMED = ("malformed", 400, "The request cannot be read")
    INVALID = ("invalid", 422, "The request breaks a rule of its schema")
    NUMBER_INVALID = ("number-invalid", 422, "That is not a phone number that can be registered")
    UNAUTHENTICATED = ("unauthenticated", 401, "No valid access token")
    CREDENTIAL_REFUSED = ("credential-refused", 401, "The device credential is not valid")
    CODE_REFUSED = ("code-refused", 403, "The code is wrong, used or expired")
    FORBIDDEN = ("forbidden", 403, "Not allowed")
    NOT_ACCEPTED = ("not-accepted", 403, "That person has not accepted you as a contact")
    ORIGIN_REFUSED = ("origin-refused", 403, "This origin may not connect")
    NOT_FOUND = ("not-found", 404, "There is no such thing for you")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "That method is not offered here")
    DEVICES_DIFFER = ("devices-differ", 409, "The device list is not the current one")
    SEQUENCE = ("sequence", 409, "The sequence number is not the next one")
    ID_REUSED = ("id-reused", 409, "That id belongs to another message")
    CALL_STATE = ("call-state", 409, "The call is not in a state for that")
    DEVICES_FULL = ("devices-full", 409, "The account has as many devices as it may")
    TOO_LARGE = ("too-large", 413, "The request is too large")
    MEDIA_TYPE = ("media-type", 415, "That content type or encoding is not understood")
    UNSEALED_REFUSED = ("unsealed-refused", 403, "This server takes sealed messages only")
    RATE_LIMITED = ("rate-limited", 429, "Too many requests")
    INTERNAL = ("internal", 500, "The server made a mistake")
    UNAVAILABLE = ("unavailable", 503, "A part of the server is not reachable; try again")
    STORAGE_FULL = ("storage-full", 507, "The server cannot store more")

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title

    @property
    def uri(self) -> str:
        return f"/problems/{self.slug}"

    def describe(
        self,
        detail: str | None = None,
        *,
        retry_after_s: int | None = None,
        devices: list[DeviceDifference] | None = None,
        expected_sequence: int | None = None,
    ) -> Problem:
        return Problem(
            type=self.uri,
            title=self.title,
            status=self.status,
            detail=detail,
            retry_after_s=retry_after_s,
            devices=devices,
            expected_sequence=expected_sequence,
        )
