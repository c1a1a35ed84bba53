"""The addresses of this machine."""

import ifaddr


def own_addresses() -> set[str]:
    """Of all interfaces, without scopes. Raises OSError."""
    found: set[str] = set()
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            found.add(each.ip if isinstance(each.ip, str) else each.ip[0])
    return found
