"""Every size, count and lifetime that both ends of the wire must agree on.

The unit is the last word of each name.
"""

from typing import Final

ACCOUNT_DEVICES_MAX: Final = 8
DEVICE_NUMBER_MAX: Final = 127
REGISTRATION_ID_MAX: Final = 0x3FFF
DEVICE_NAME_CHARACTERS_MAX: Final = 64

BODY_BYTES_MAX: Final = 128 * 1024
"""One opaque body, decoded."""
UPLOAD_BODY_BYTES_MAX: Final = 512 * 1024
"""The sum of all bodies of one send, decoded."""
CALL_BODY_BYTES_MAX: Final = 64 * 1024
FRAME_BYTES_MAX: Final = 1024 * 1024
"""One WebSocket frame, or one REST body, as it travels (JSON carries bodies in base64)."""

ACKNOWLEDGE_POSITIONS_MAX: Final = 256
READ_IDS_MAX: Final = 256
WATCH_ACCOUNTS_MAX: Final = 1024
LOOKUP_NUMBERS_MAX: Final = 500

DELIVERY_WINDOW_ENTRIES_MAX: Final = 64
"""Entries that a device has been sent and has not acknowledged; the gateway waits beyond that."""
SEND_WINDOW_FRAMES_MAX: Final = 64
"""Frames of one connection that the gateway works on at a time; it stops reading beyond that."""

AUTHENTICATION_TIMEOUT_S: Final = 10
ACCESS_TOKEN_LIFETIME_S: Final = 30 * 60
EXPIRED_TOKEN_GRACE_S: Final = 30
"""An open connection is closed at most this long after its access token expired."""
HEARTBEAT_INTERVAL_S: Final = 25
MESSAGE_RETENTION_S: Final = 30 * 24 * 3600
CODE_LIFETIME_S: Final = 10 * 60
CODE_ATTEMPTS_MAX: Final = 5
LINK_CODE_LIFETIME_S: Final = 60
RING_TIMEOUT_S: Final = 45
RING_LIFETIME_S_MAX: Final = 120
PRESENCE_LEASE_S: Final = 5 * 60

GROUP_CALL_MEMBERS_MAX: Final = 1024
GROUP_CALL_PARTICIPANTS_MAX: Final = 64
"""In one call on one node."""
GROUP_CALL_MEDIA_SECTIONS_MAX: Final = 256
GROUP_CALL_SDP_CHARACTERS_MAX: Final = 512 * 1024
DISPLAY_NAME_CHARACTERS_MAX: Final = 64
JOIN_TICKET_LIFETIME_S: Final = 30
GROUP_CALL_LIFETIME_S_MAX: Final = 12 * 3600
MEDIA_CONSENT_S: Final = 30
"""A participant whose last valid check is older is gone (RFC 7675 §5.1)."""
RELAY_ALLOCATE_S: Final = 10 * 60
"""A relay credential makes allocations for this long after its issue."""
RELAY_REFRESH_S_MAX: Final = 12 * 3600
"""And refreshes them until the call ends, at most for this long."""
