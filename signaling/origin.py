"""May a web page of this origin open the socket (RFC 6455 §10.2)?

A browser always sends `Origin` with a WebSocket handshake, and the newer ones `Sec-Fetch-*` too.
A handshake with neither comes from a program, which no web page can steer.
"""

from collections.abc import Iterable, Mapping, Sequence

FETCH_HEADER_PREFIX = "sec-fetch-"


class OriginRule:
    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allows(self, headers: Mapping[str, Sequence[str]]) -> bool:
        """`headers`: every value by lower-case name."""
        origins = headers.get("origin", ())
        if not origins:
            return not any(name.startswith(FETCH_HEADER_PREFIX) for name in headers)
        return len(origins) == 1 and origins[0].lower() in self._allowed
