import msgspec

from ringlined.free_ports import with_free_ports
from tests.unit.ringlined.test_embedded import with_gateway


def test_port_0_is_decided_once() -> None:
    chosen = with_free_ports(with_gateway(port=0, admin_port=0))
    assert chosen.gateway.port > 0
    assert chosen.gateway.admin_port > 0
    fixed = with_gateway(port=1000, admin_port=1001)
    assert with_free_ports(fixed) == fixed


def test_a_gateway_on_a_free_port_frees_the_default_ports_of_the_rest() -> None:
    config = with_gateway(port=0)
    relay = msgspec.structs.replace(config.relay, port=5_349)
    chosen = with_free_ports(msgspec.structs.replace(config, relay=relay))
    assert chosen.relay.port == 5_349
    assert chosen.relay.admin_port not in (0, config.relay.admin_port)
    assert chosen.sfu.media_port not in (0, config.sfu.media_port)
    assert chosen.sfu.signalling_port not in (0, config.sfu.signalling_port)
