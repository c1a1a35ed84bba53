"""May a web page of this origin open the socket (RFC 6455 §10.2)?

A browser always sends `Origin` with a WebSocket handshake, and the newer ones `Sec-Fetch-*` too.
A handshake with neither comes from a program, which no web page can steer.

Our own page is always welcome: its origin is the host that it asks for (`Host`). The scheme is not
compared, since a proxy in front may end TLS. A page that makes its own name point here (DNS
rebinding) passes, too, and gains nothing: no cookie speaks for anybody, and it has no token.
"""

from collections.abc import Iterable, Mapping, Sequence

FETCH_HEADER_PREFIX = "sec-fetch-"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class OriginRule:
    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allows(self, headers: Mapping[str, Sequence[str]]) -> bool:
        """`headers`: every value by lower-case name."""
        origins = headers.get("origin", ())
        if not origins:
            return not any(name.startswith(FETCH_HEADER_PREFIX) for name in headers)
        if len(origins) != 1:
            return False
        origin = origins[0].lower()
        return origin in self._allowed or _is_own(origin, headers.get("host", ()))


def _is_own(origin: str, hosts: Sequence[str]) -> bool:
    scheme, separator, host = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    if port is None or not separator or len(hosts) != 1:
        return False
    return bool(host) and host.removesuffix(port) == hosts[0].lower().removesuffix(port)
