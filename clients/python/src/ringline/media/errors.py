"""What can go wrong with a call's media, by whose fault it is.

MediaError
├── MediaRefused       the peer's: its offer or answer is not one that we take
├── MediaUnavailable   the user's: no such file, device or clip
└── MediaFailed        the world's: no connection came about, or not in time
"""


class MediaError(Exception):
    """Any of the below. The text is for a person and holds nothing secret."""


class MediaRefused(MediaError):
    """The peer's bytes are no offer (or answer) that this side accepts."""


class MediaUnavailable(MediaError):
    """What the user named cannot be opened."""


class MediaFailed(MediaError):
    """The connection did not come about."""
