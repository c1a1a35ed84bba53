"""The body of an unsealed message: a small versioned msgpack map, `{v, kind, text}`.

Whatever comes is shown as something: a version or kind of a later client as «unknown», never an error.
"""

from typing import Final

import msgspec
from msgspec import Struct

from ringline.client.errors import ContentTooLarge
from ringline.protocol import limits
from ringline.protocol.types import ContentType

VERSION: Final = 1
TEXT: Final = "text"
UNKNOWN: Final = "unknown"
TEXT_BYTES_MAX: Final = limits.UPLOAD_BODY_BYTES_MAX // (2 * limits.ACCOUNT_DEVICES_MAX) - 64
"""In UTF-8: one upload holds it for every device of both accounts; the map around it is smaller."""


class Content(Struct, frozen=True, kw_only=True):
    """`kind` is `text`, with a text, or `unknown`, with what is known of it."""

    kind: str
    text: str | None = None
    version: int | None = None
    """The body's own; None when it could not even be read."""


class _Body(Struct, kw_only=True):
    v: int
    kind: str = UNKNOWN
    text: str | None = None


class _Version(Struct):
    v: int


def text_content(text: str) -> Content:
    return Content(kind=TEXT, text=text, version=VERSION)


def encode_content(content: Content) -> bytes:
    """Raise ContentTooLarge, ValueError for what is no text."""
    if content.kind != TEXT or content.text is None:
        raise ValueError("only texts can be sent")
    if len(content.text.encode(errors="surrogatepass")) > TEXT_BYTES_MAX:
        raise ContentTooLarge(f"a text has at most {TEXT_BYTES_MAX} bytes in UTF-8")
    return msgspec.msgpack.encode(_Body(v=VERSION, kind=TEXT, text=content.text))


def decode_content(content_type: ContentType, body: bytes) -> Content:
    """Never raises for what a peer can send."""
    if content_type is not ContentType.UNSEALED:
        return Content(kind=UNKNOWN)
    try:
        version = msgspec.msgpack.decode(body, type=_Version).v
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Content(kind=UNKNOWN)
    if version != VERSION:
        return Content(kind=UNKNOWN, version=version)
    try:
        known = msgspec.msgpack.decode(body, type=_Body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Content(kind=UNKNOWN, version=version)
    if known.kind != TEXT or known.text is None:
        return Content(kind=UNKNOWN, version=version)
    return Content(kind=TEXT, text=known.text, version=version)
