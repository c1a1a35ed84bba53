"""Why the gateway closed a connection (RFC 6455 §7.4), and whether to come back."""

import enum


class CloseCode(enum.IntEnum):
    """Codes 4000–4999 are Ringline's; the others are the standard's."""

    GOING_AWAY = 1001
    """The gateway stops: reconnect at once, with jitter."""
    PROTOCOL_ERROR = 1002
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013
    """The gateway has no room or a part of it is not reachable: reconnect with back-off."""
    MALFORMED_FRAME = 4000
    AUTHENTICATION_TIMEOUT = 4001
    TOKEN_REFUSED = 4002
    """The access token is not valid: get another."""
    TOKEN_EXPIRED = 4003
    """The access token expired on an open connection: get another."""
    DEVICE_REVOKED = 4004
    """For good: the device was removed from its account."""
    ACCOUNT_REPLACED = 4005
    """For good: the number was registered again."""
    REPLACED = 4006
    """The same device opened another connection: do not come back by yourself."""
    SLOW_CONSUMER = 4007
    """The device did not read in time; its queue is kept. Reconnect."""
    HEARTBEAT_TIMEOUT = 4008
    TICKET_REFUSED = 4010
    """Group calls: the ticket or the resume secret is not valid (any more): get another ticket."""
    REMOVED = 4011
    """Group calls, for good: somebody with the right to do so removed this account."""
    CALL_ENDED = 4012
    """Group calls, for good: the call is over."""
    MEDIA_LOST = 4013
    """Group calls: the media connection failed or fell silent: join again."""
    RATE_LIMITED = 4029
    """Too many frames: reconnect with back-off."""

    @property
    def final(self) -> bool:
        """Whether reconnecting cannot help."""
        return self in _FINAL


_FINAL = frozenset(
    {
        CloseCode.DEVICE_REVOKED,
        CloseCode.ACCOUNT_REPLACED,
        CloseCode.REPLACED,
        CloseCode.REMOVED,
        CloseCode.CALL_ENDED,
    }
)
