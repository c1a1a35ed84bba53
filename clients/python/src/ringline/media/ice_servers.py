"""From a call's relays to what aiortc may ask: the relay for an address, and for how one's own looks.

A relay answers Binding requests too (RFC 8656 builds on RFC 8489), so it is also asked as a STUN server:
two sides behind address translations then mostly meet directly. aiortc uses one server of each kind.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from aiortc import RTCIceServer

from ringline.client.call_media import IceServer
from ringline.media.errors import MediaFailed

_TURN: Final = re.compile(
    r"turns?:(?P<host>[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<way>udp|tcp))?"
)
"""RFC 7065 §3.1, without IPv6 addresses: aiortc takes none."""


def ice_servers(servers: Sequence[IceServer], *, relay_only: bool) -> list[RTCIceServer]:
    """Those that can be used. Raise MediaFailed when there is no relay and nothing else may be used."""
    made: list[RTCIceServer] = []
    for server in servers:
        uris = [uri for uri in server.uris if _TURN.fullmatch(uri)]
        if not uris:
            continue
        made.append(RTCIceServer(uris, server.username, server.password))
        if not relay_only:
            made += [RTCIceServer(stun) for stun in map(_stun, uris) if stun]
    if relay_only and not made:
        raise MediaFailed("the server offers no relay, and nothing else may be used")
    return made


def _stun(uri: str) -> str | None:
    """The same server's other service. None over TCP, and on loopback: nothing is translated there."""
    match = _TURN.fullmatch(uri)
    if match is None or uri.startswith("turns:") or match["way"] == "tcp":
        return None
    try:
        if ipaddress.ip_address(match["host"]).is_loopback:
            return None
    except ValueError:
        pass  # a name
    return f"stun:{match['host']}:{match['port'] or 3478}"
