"""What an operator may not say."""

import pytest

from turn.settings import RelaySettings


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_the_relay_listens_on_one_address(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        RelaySettings(host=host)


@pytest.mark.parametrize("address", ["example.org", "0.0.0.0", "::", "1.2.3"])
def test_the_external_address_is_one_that_clients_can_reach(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RelaySettings(external_address=address)


def test_ranges_are_in_order() -> None:
    with pytest.raises(ValueError, match="relayed_port_min"):
        RelaySettings(relayed_port_min=2_000, relayed_port_max=1_999)
    with pytest.raises(ValueError, match="allocation_lifetime_s"):
        RelaySettings(allocation_lifetime_s=601, allocation_lifetime_s_max=600)
