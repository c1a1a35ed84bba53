"""To whom the relay sends, by the address alone.

Refused are all addresses that are not of the public Internet, and every form in which one of them can be
written inside an IPv6 address (mapped, compatible, translated, 6to4, Teredo, NAT64): CVE-2020-26262 and
CVE-2026-27624 were each one form that was forgotten. RFC 6890 and the IANA special-purpose registries,
as the standard library knows them.
"""

import ipaddress
from typing import Final

_REFUSED_6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible, RFC 4291 §2.5.5.1; with the unspecified and loopback addresses
        "::ffff:0:0/96",  # IPv4-mapped, RFC 4291 §2.5.5.2
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 of a network's own, RFC 8215
        "2002::/16",  # 6to4, RFC 3056
        "2001::/32",  # Teredo, RFC 4380
        "fec0::/10",  # site-local, RFC 3879
        "5f00::/16",  # segment routing, RFC 9602
        "3fff::/20",  # documentation, RFC 9637
    )
)
_RETIRED: Final = ipaddress.IPv4Network("192.88.99.0/24")
"""6to4 relays' anycast, RFC 7526."""
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out of the IPv6 space."""
_SPECIAL_6: Final = ipaddress.IPv6Network("2001::/23")
"""IETF protocol assignments, RFC 2928: some of them count as global."""
_ASSIGNED_4: Final = ipaddress.IPv4Network("192.0.0.0/24")


def may_be_peer(address: str, *, allow_private: bool) -> bool:
    """`allow_private`: also private, shared, loopback and link-local addresses, in their plain form."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.is_unspecified or ip.is_multicast or ip == _BROADCAST or "%" in address:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if allow_private and ip.is_loopback:
            return True
        if any(ip in network for network in _REFUSED_6) or ip in _SPECIAL_6:
            return False
    elif ip in _RETIRED or ip in _ASSIGNED_4:
        return False
    if ip.is_global and (ip.version == 4 or ip in _GLOBAL_6):
        return True
    return allow_private and _is_private(ip)


_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")
_SHARED: Final = ipaddress.IPv4Network("100.64.0.0/10")
_PRIVATE_4: Final = tuple(
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_PRIVATE_6: Final = ipaddress.IPv6Network("fc00::/7")


def _is_private(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """RFC 1918, RFC 6598, RFC 4193, and what never leaves the link or the machine."""
    if ip.is_loopback or ip.is_link_local:
        return True
    if isinstance(ip, ipaddress.IPv4Address):
        return ip in _SHARED or any(ip in network for network in _PRIVATE_4)
    return ip in _PRIVATE_6


def source_group(address: str) -> str:
    """What counts as one client address: an IPv4 address, an IPv6 /64."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)).network_address)
