"""Where the relay sends: the public Internet, in its plain form."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turn.peer_rules import may_be_peer, source_group

PUBLIC = ("8.8.8.8", "1.1.1.1", "193.0.6.139", "2600::1", "2a00:1450:4001::64", "2620:fe::fe")
PRIVATE = (
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.127.255.255", "::1", "fe80::1", "fc00::1", "fd12::1"),
)
NEVER = (
    *("0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "239.1.2.3", "240.0.0.1"),
    *("192.0.0.1", "192.0.0.9", "192.0.0.10", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
    *("198.18.0.1", "198.19.255.255", "192.88.99.1"),
    *(
        "::",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "100::1",
        "fec0::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
    ),
    *("2001::1", "2001:10::1", "2001:20::1", "2001:1::1", "2001:2::1", "2001:1ff::1"),
    *("fe80::1%eth0", "2600::1%1", "localhost", "", "8.8.8", "08.8.8.8", " 8.8.8.8"),
)
EMBEDDED = (
    "::{}",
    "::ffff:{}",
    "::ffff:0:{}",
    "64:ff9b::{}",
    "64:ff9b:1::{}",
    "64:ff9b:1:ffff::{}",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_peers(address: str) -> None:
    assert may_be_peer(address, allow_private=False)
    assert may_be_peer(address, allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_peers_if_asked_for(address: str) -> None:
    assert not may_be_peer(address, allow_private=False)
    assert may_be_peer(address, allow_private=True)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", NEVER)
def test_others_never_are(address: str, allow_private: bool) -> None:
    assert not may_be_peer(address, allow_private=allow_private)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("form", EMBEDDED)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "0.0.0.0", "8.8.8.8"])
def test_an_ipv4_address_inside_an_ipv6_one_never_is(
    form: str, address: str, allow_private: bool
) -> None:
    written = form.format(address)
    if ipaddress.ip_address(written) == ipaddress.ip_address("::1"):
        pytest.fail("no such sample")
    assert not may_be_peer(written, allow_private=allow_private)


@given(st.ip_addresses(v=4))
def test_6to4_and_teredo_never_are(address: ipaddress.IPv4Address) -> None:
    sixtofour = ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80 | 1)
    teredo = ipaddress.IPv6Address(
        0x20010000 << 96 | int(address) << 64 | (int(address) ^ 2**32 - 1)
    )
    for each in (sixtofour, teredo):
        assert not may_be_peer(str(each), allow_private=True)


@given(st.ip_addresses())
def test_whatever_is_a_peer_is_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if may_be_peer(str(address), allow_private=False):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_loopback


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_a_source_is_an_address_or_a_network_of_64_bits(address: str, group: str) -> None:
    assert source_group(address) == group
