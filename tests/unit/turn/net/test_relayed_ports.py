"""Relayed ports: from a range, in an order nobody knows, given back."""

import asyncio
import socket

import pytest

from turn.net.relayed_ports import Ports
from turn.net.udp_socket import bind
from turn.stun import Address

HOST = "127.0.0.1"


def nobody(port: int, data: bytes, source: Address) -> None:
    raise AssertionError("nothing comes")


def free_range(size: int) -> int:
    """The first of so many ports that are free now, an even one."""
    for first in range(30_000, 32_000, size + size % 2):
        try:
            for each in [bind(HOST, first + n, 4096) for n in range(size)]:
                each.close()
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


async def test_all_of_the_range_and_no_more() -> None:
    first = free_range(4)
    ports = Ports(HOST, first, first + 3, nobody)
    opened = [ports.open(even=False) for _ in range(5)]
    found = {each.address[1] for each in opened if each is not None}
    assert found == set(range(first, first + 4))
    assert opened[4] is None
    assert opened[0] is not None
    opened[0].close()
    again = ports.open(even=False)
    assert again is not None
    assert again.address == opened[0].address
    for each in (*opened[1:4], again):
        assert each is not None
        each.close()


async def test_even_ones_run_out_by_themselves() -> None:
    first = free_range(4)
    ports = Ports(HOST, first, first + 3, nobody)
    opened = [ports.open(even=True) for _ in range(3)]
    assert [each and each.address[1] % 2 for each in opened] == [0, 0, None]
    odd = ports.open(even=False)
    assert odd is not None
    assert odd.address[1] % 2 == 1
    for each in (opened[0], opened[1], odd):
        assert each is not None
        each.close()


async def test_a_port_that_another_program_has_is_passed_over() -> None:
    first = free_range(2)
    taken = bind(HOST, first, 4096)
    ports = Ports(HOST, first, first + 1, nobody)
    one, none = ports.open(even=False), ports.open(even=False)
    assert one is not None
    assert one.address[1] == first + 1
    assert none is None
    taken.close()
    two = ports.open(even=False)
    assert two is not None
    one.close()
    two.close()


async def test_a_host_that_is_not_ours_has_no_ports() -> None:
    assert Ports("192.0.2.1", 30_000, 30_100, nobody).open(even=False) is None


async def test_a_datagram_says_to_which_port_it_came() -> None:
    first = free_range(2)
    came: asyncio.Future[tuple[int, bytes, Address]] = asyncio.get_running_loop().create_future()
    ports = Ports(HOST, first, first + 1, lambda *args: came.set_result(args))
    port = ports.open(even=False)
    assert port is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((HOST, 0))
        peer.sendto(b"x", port.address)
        async with asyncio.timeout(20):
            assert await came == (port.address[1], b"x", peer.getsockname())
    port.close()


@pytest.mark.parametrize("size", [100])
def test_the_order_is_not_that_of_the_numbers(size: int) -> None:
    orders = {tuple(Ports(HOST, 30_000, 30_000 + size, nobody)._free) for _ in range(3)}
    assert len(orders) == 3
    assert tuple(range(30_000, 30_001 + size)) not in orders
