from collections.abc import Callable
from typing import Any
from uuid import UUID

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.types import Address
from signaling.connections import Connections

ACCOUNT = UUID(int=1)
Connect = Callable[[Address], Any]


def test_a_device_has_one_connection(connections: Connections, unready: Connect) -> None:
    first, second = unready(Address(ACCOUNT, 1)), unready(Address(ACCOUNT, 1))
    assert connections.add(first) is None
    assert connections.add(second) == first
    assert not connections.remove(first), "it is not the device's any more"
    assert connections.get(Address(ACCOUNT, 1)) == second
    assert connections.remove(second)
    assert len(connections) == 0
    assert connections.of_account(ACCOUNT) == ()


def test_an_account_has_its_devices(connections: Connections, connect: Connect) -> None:
    devices = [connect(Address(ACCOUNT, number)) for number in (1, 2)]
    connect(Address(UUID(int=2), 1))
    assert set(connections.of_account(ACCOUNT)) == set(devices)
    assert len(list(connections)) == 3


def test_closing_passes_over_those_that_are_not_here(
    connections: Connections, connect: Connect
) -> None:
    here = connect(Address(ACCOUNT, 1))
    connections.close([Address(ACCOUNT, 1), Address(ACCOUNT, 9)], CloseCode.DEVICE_REVOKED)
    assert here.codes == [CloseCode.DEVICE_REVOKED]
