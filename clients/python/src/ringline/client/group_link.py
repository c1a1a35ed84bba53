"""Links to group calls: `{server}/join/{call}#{link_token}`. The token is in the fragment, which no
browser sends anywhere."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from ringline.client.errors import UsageError

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,128}")


@dataclass(frozen=True, slots=True)
class GroupLink:
    call: UUID
    token: str | None
    """None: for members alone."""
    server: str | None = None

    def text(self, server: str) -> str:
        fragment = f"#{self.token}" if self.token else ""
        return f"{server.rstrip('/')}/join/{self.call}{fragment}"


def read_link(text: str) -> GroupLink:
    """A link, or a call's id alone. Raise UsageError."""
    try:
        return GroupLink(UUID(text), None)
    except ValueError:
        pass
    parts = urlsplit(text.strip())
    call = parts.path.rpartition("/join/")[2]
    token = parts.fragment or None
    if parts.scheme not in ("http", "https") or (token and not _TOKEN.fullmatch(token)):
        raise UsageError("that is no link to a group call")
    try:
        return GroupLink(UUID(call), token, f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        raise UsageError("that is no link to a group call") from None
