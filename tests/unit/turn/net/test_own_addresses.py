"""This machine's addresses."""

import ipaddress

from turn.net.own_addresses import own_addresses


def test_loopback_is_among_them_and_all_are_plain() -> None:
    found = own_addresses()
    assert "127.0.0.1" in found
    assert all(str(ipaddress.ip_address(each)) == each for each in found)
