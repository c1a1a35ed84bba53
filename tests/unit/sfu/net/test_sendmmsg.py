"""Many datagrams in one call, and what becomes of those that the kernel refuses."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from sfu.net.sendmmsg import SLOT_BYTES, SLOTS, Batch, RawAddress


def bound(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(5)
    return made


def raw(receiver: socket.socket) -> RawAddress:
    host, port = receiver.getsockname()[:2]
    return RawAddress((host, port))


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with closing(bound()) as made:
        yield made


def lay(batch: Batch, slot: int, data: bytes, to: RawAddress) -> None:
    batch.view[slot * SLOT_BYTES : slot * SLOT_BYTES + len(data)] = data
    batch.put(slot, len(data), to)


def test_all_slots_go_out_in_order_each_to_its_address(sender: socket.socket) -> None:
    batch = Batch(sender.fileno())
    with closing(bound()) as odd, closing(bound()) as even:
        for slot in range(SLOTS):
            lay(batch, slot, b"%d" % slot, raw(odd if slot % 2 else even))
        assert batch.send(SLOTS) == SLOTS
        assert [even.recv(9) for _ in range(4)] == [b"0", b"2", b"4", b"6"]
        assert [odd.recv(9) for _ in range(4)] == [b"1", b"3", b"5", b"7"]


def test_a_refused_one_is_left_out(sender: socket.socket) -> None:
    batch = Batch(sender.fileno())
    with closing(bound()) as receiver:
        lay(batch, 0, b"first", raw(receiver))
        lay(batch, 1, b"refused", RawAddress(("255.255.255.255", 9)))  # no SO_BROADCAST
        lay(batch, 2, b"last", raw(receiver))
        assert batch.send(3) == 2
        assert [receiver.recv(9), receiver.recv(9)] == [b"first", b"last"]


def test_without_a_socket_nothing_goes_out() -> None:
    with closing(bound()) as receiver:
        gone = bound()
        batch = Batch(gone.fileno())
        lay(batch, 0, b"x", raw(receiver))
        gone.close()
        assert batch.send(1) == 0


def test_ipv6_addresses() -> None:
    with closing(bound("::1")) as sender, closing(bound("::1")) as receiver:
        batch = Batch(sender.fileno())
        lay(batch, 0, b"six", raw(receiver))
        assert batch.send(1) == 1
        assert receiver.recv(9) == b"six"


def test_names_are_no_addresses() -> None:
    with pytest.raises(ValueError, match="localhost"):
        RawAddress(("localhost", 9))
