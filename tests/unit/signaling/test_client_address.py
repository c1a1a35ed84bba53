import pytest

from signaling.client_address import UNKNOWN, ClientAddresses, budget_key

DIRECT = ClientAddresses([])
PROXIED = ClientAddresses(["10.0.0.0/8", "::1"])


def test_a_stranger_cannot_name_another_address() -> None:
    assert DIRECT.client("203.0.113.9", ["198.51.100.1"]) == "203.0.113.9"
    assert PROXIED.client("203.0.113.9", ["198.51.100.1"]) == "203.0.113.9"


def test_the_first_untrusted_hop_from_the_right_is_the_client() -> None:
    lines = ["1.1.1.1, 198.51.100.1", "10.2.2.2"]
    assert PROXIED.client("10.1.1.1", lines) == "198.51.100.1"
    assert PROXIED.client("::1", ["198.51.100.7"]) == "198.51.100.7"


def test_a_chain_of_proxies_alone_ends_at_the_farthest() -> None:
    assert PROXIED.client("10.1.1.1", ["10.3.3.3"]) == "10.3.3.3"
    assert PROXIED.client("10.1.1.1", []) == "10.1.1.1"


@pytest.mark.parametrize("hop", ["", "unknown", "_hidden", "1.2.3", "a" * 10_000])
def test_a_hop_that_is_no_address_is_not_believed(hop: str) -> None:
    assert PROXIED.client("10.1.1.1", [f"198.51.100.1, {hop}"]) == "10.1.1.1"


def test_spellings_of_one_address_are_one() -> None:
    assert DIRECT.client("::ffff:203.0.113.9", []) == "203.0.113.9"
    assert DIRECT.client("fe80::1%eth0", []) == "fe80::1"
    assert DIRECT.client("nonsense", []) == UNKNOWN


def test_an_ipv6_subscriber_has_one_budget() -> None:
    assert budget_key("2001:db8:1:2::1") == budget_key("2001:db8:1:2:ffff::9")
    assert budget_key("2001:db8:1:2::1") != budget_key("2001:db8:1:3::1")
    assert budget_key("203.0.113.9") == "203.0.113.9"
    assert budget_key(UNKNOWN) == UNKNOWN


def test_a_proxy_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        ClientAddresses(["proxy.example.org"])
