"""The socket on the event loop."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from turn.net.udp_socket import DRAIN_DATAGRAMS_MAX, UdpSocket, bind
from turn.stun import Address

DEADLINE_S = 20.0


class Inbox:
    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()

    def __call__(self, data: bytes, source: Address) -> None:
        self.got.put_nowait((data, source))

    async def next(self) -> tuple[bytes, Address]:
        async with asyncio.timeout(DEADLINE_S):
            return await self.got.get()


@pytest.fixture
def other() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(DEADLINE_S)
        yield made


async def test_datagrams_come_and_go(other: socket.socket) -> None:
    inbox = Inbox()
    opened = UdpSocket(bind("127.0.0.1", 0, 65_536), inbox)
    other.sendto(b"in", opened.address)
    assert await inbox.next() == (b"in", other.getsockname())
    assert opened.send(b"out", other.getsockname())
    assert other.recvfrom(100) == (b"out", opened.address)
    opened.close()
    opened.close()


async def test_one_wake_up_takes_a_bounded_number(other: socket.socket) -> None:
    inbox = Inbox()
    opened = UdpSocket(bind("127.0.0.1", 0, 1_000_000), inbox)
    for number in range(DRAIN_DATAGRAMS_MAX + 10):
        other.sendto(b"%d" % number, opened.address)
    opened._readable()
    assert inbox.got.qsize() == DRAIN_DATAGRAMS_MAX
    for number in range(DRAIN_DATAGRAMS_MAX + 10):
        assert (await inbox.next())[0] == b"%d" % number
    opened.close()


async def test_what_cannot_be_sent_is_said_so() -> None:
    opened = UdpSocket(bind("127.0.0.1", 0, 65_536), Inbox())
    assert not opened.send(bytes(70_000), ("127.0.0.1", 9))
    assert not opened.send(b"x", ("127.0.0.1", 0))
    opened.close()
    assert not opened.send(b"x", ("127.0.0.1", 9))


async def test_a_peer_that_is_gone_does_not_close_it(other: socket.socket) -> None:
    inbox = Inbox()
    opened = UdpSocket(bind("127.0.0.1", 0, 65_536), inbox)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()
    for _ in range(5):
        opened.send(b"x", nobody)
    other.sendto(b"still there", opened.address)
    assert (await inbox.next())[0] == b"still there"
    opened.close()


async def test_it_may_be_closed_by_what_came(other: socket.socket) -> None:
    seen: list[bytes] = []

    def take(data: bytes, _: Address) -> None:
        seen.append(data)
        opened.close()

    opened = UdpSocket(bind("127.0.0.1", 0, 65_536), take)
    other.sendto(b"one", opened.address)
    other.sendto(b"two", opened.address)
    opened._readable()
    assert seen == [b"one"]


def test_an_address_that_is_not_there_cannot_be_bound(other: socket.socket) -> None:
    with pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", other.getsockname()[1], 65_536)
    with pytest.raises(OSError, match="assign"):
        bind("192.0.2.1", 0, 65_536)


async def test_ipv6_is_ipv6_only() -> None:
    bound = bind("::1", 0, 65_536)
    assert bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    bound.close()


@pytest.mark.parametrize("buffer_bytes", [4_096, 65_536, 4 * 1024 * 1024])
def test_there_is_the_room_that_the_system_grants(buffer_bytes: int) -> None:
    most = int(Path("/proc/sys/net/core/rmem_max").read_text())
    with bind("127.0.0.1", 0, buffer_bytes) as bound:
        granted = bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux doubles it
    assert granted >= min(buffer_bytes, most)
