"""The last net under "never in a log": numbers, tokens, codes, bodies.

Whoever writes a log line leaves them out; this takes out what was forgotten, by the name of the
field and by the look of the value.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
DEPTH_MAX: Final = 6

_FORBIDDEN_KEYS: Final = frozenset(
    [
        "authorization",
        "bodies",
        "body",
        "code",
        "codes",
        "cookie",
        "credential",
        "credentials",
        "key",
        "number",
        "numbers",
        "password",
        "payload",
        "payloads",
        "phone",
        "phones",
        "secret",
        "secrets",
        "token",
        "tokens",
    ]
)
_FORBIDDEN_ENDINGS: Final = (
    "_body", "_credential", "_key", "_password", "_payload", "_phone", "_secret", "_token",
    "link_code", "phone_number", "number_text",
)  # fmt: skip
_PHONE_NUMBER: Final = re.compile(r"\+[0-9](?:[ ().-]{0,2}[0-9]){6,14}(?![0-9])")
"""E.164 and its usual spellings: a plus and 7 to 15 digits."""
_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
"""256 bits in base64url."""


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """A structlog processor. Works on text: run it after exceptions have been rendered."""
    return {name: _field(name, value, 0) for name, value in event.items()}


def redact_text(text: str) -> str:
    return _TOKEN.sub("[token]", _PHONE_NUMBER.sub("[number]", text))


def _field(name: str, value: Any, depth: int) -> Any:
    lowered = name.lower()
    if lowered in _FORBIDDEN_KEYS or lowered.endswith(_FORBIDDEN_ENDINGS):
        return REDACTED
    return _value(value, depth)


def _value(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth >= DEPTH_MAX:
        return REDACTED
    if isinstance(value, Mapping):
        return {redact_text(str(k)): _field(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item, depth + 1) for item in value]
    return redact_text(str(value))
