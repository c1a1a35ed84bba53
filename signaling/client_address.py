"""Whose address a request counts against.

`X-Forwarded-For` is believed from trusted proxies alone, read from the right: each proxy appends
whom it saw, so the first entry that is no trusted proxy is the client; what is left of it is hearsay.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

UNKNOWN = "unknown"


class ClientAddresses:
    """Raises ValueError for a proxy that is neither an address nor a network."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = tuple(ip_network(proxy) for proxy in trusted_proxies)

    def trusts(self, peer: str) -> bool:
        address = _parse(peer)
        return address is not None and any(address in network for network in self._trusted)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """`peer`: the other end of the connection. `forwarded_for`: the header's lines in order."""
        seen = peer
        hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
        while hops and self.trusts(seen):
            hop = hops.pop()
            if _parse(hop) is None:
                break
            seen = hop
        address = _parse(seen)
        return str(address) if address is not None else UNKNOWN


def budget_key(client: str) -> str:
    """What shares one budget: an IPv4 address, or the /64 that one IPv6 subscriber is given."""
    address = _parse(client)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return client


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
