"""The one port: what goes where by its first byte, and the limits of what is half-open."""

# ruff: noqa: ARG002 - the observer's signatures

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import msgspec
import pytest

from sfu.net.dtls import QUEUE_DATAGRAMS_MAX
from sfu.net.media_port import DRAIN_DATAGRAMS_MAX, MediaPort
from sfu.settings import SfuSettings
from sfu.transport import Fingerprint, LocalTransport, RemoteTransport, TransportsFull
from turn import stun
from turn.stun import Attribute, Class, Method

SETTINGS = SfuSettings(media_port=0)
REMOTE = RemoteTransport("theirs", "their-password", [Fingerprint("sha-256", "AB:" * 31 + "AB")])
DEADLINE_S = 10


class Observer:
    def __init__(self) -> None:
        self.connected: list[tuple[int, str]] = []
        self.ended: list[tuple[int, str]] = []

    def on_connected(self, peer: int, profile: str) -> None:
        self.connected.append((peer, profile))

    def on_ended(self, peer: int, reason: str) -> None:
        self.ended.append((peer, reason))

    def on_rtcp(self, peer: int, packet: bytes) -> None:
        raise AssertionError("nobody is connected")

    def on_unknown_stream(self, peer: int, ssrc: int, mid: bytes, payload_type: int) -> None:
        raise AssertionError("nobody is connected")


class Ground:
    def __init__(self, settings: SfuSettings) -> None:
        self.now_s = 1000.0
        self.observer = Observer()
        self.port = MediaPort(settings, self.observer, self.observer, clock=lambda: self.now_s)


@asynccontextmanager
async def ground(**changes: Any) -> AsyncIterator[Ground]:
    made = Ground(msgspec.structs.replace(SETTINGS, **changes))
    await made.port.start()
    try:
        yield made
    finally:
        await made.port.stop()


class Client:
    def __init__(self, port: MediaPort, address: str = "127.0.0.1") -> None:
        self.target = port.address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.sendto(datagram, self.target)

    def check(self, local: LocalTransport) -> None:
        name = f"{local.ufrag}:{REMOTE.ufrag}".encode()
        self.send(
            stun.encode(
                Method.BINDING,
                Class.REQUEST,
                bytes(12),
                [(Attribute.USERNAME, name), (Attribute.USE_CANDIDATE, b"")],
                key=local.password.encode(),
            )
        )

    def heard(self) -> bytes | None:
        try:
            return self.socket.recv(2048)
        except BlockingIOError:
            return None

    def close(self) -> None:
        self.socket.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_only_so_many_are_half_open() -> None:
    async with ground(half_open_transports_max=2) as made:
        made.port.open(1, REMOTE)
        made.port.open(2, REMOTE)
        with pytest.raises(TransportsFull):
            made.port.open(3, REMOTE)
        assert made.port.count("half-open") == 2
        made.port.close(1)
        made.port.close(1)
        made.port.open(3, REMOTE)


async def test_one_address_has_only_so_many_half_open() -> None:
    """S24: what is beyond gets no answer and costs no handshake; another address does."""
    async with ground(half_open_transports_per_address_max=2) as made:
        checks = made.port.checks
        locals_ = [made.port.open(n, REMOTE) for n in range(3)]
        with closing(Client(made.port)) as a, closing(Client(made.port)) as b:
            a.check(locals_[0])
            b.check(locals_[1])
            await until(lambda: checks["granted"] == 2)
            with (
                closing(Client(made.port)) as third,
                closing(Client(made.port, "127.0.0.2")) as other,
            ):
                third.check(locals_[2])
                await until(lambda: checks["half-open-full"] == 1)
                assert third.heard() is None
                other.check(locals_[2])
                await until(lambda: checks["granted"] == 3)
                assert other.heard() is not None
                made.port.close(0)
                again = made.port.open(9, REMOTE)
                third.check(again)
                await until(lambda: checks["granted"] == 4)


async def test_a_set_up_that_takes_too_long_fails() -> None:
    async with ground(transport_setup_timeout_s=15) as made:
        local = made.port.open(1, REMOTE)
        with closing(Client(made.port)) as client:
            client.check(local)
            await until(lambda: made.port.checks["granted"] == 1)
            made.port.expire(made.now_s + 14.9)
            assert made.observer.ended == []
            made.port.expire(made.now_s + 15)
            assert made.observer.ended == [(1, "failed")]
            client.check(local)
            await until(lambda: made.port.checks["unauthentic"] == 1)
        assert made.port.states() == {"connected": 0, "half-open": 0}


async def test_what_strangers_send_is_counted_and_not_answered() -> None:
    async with ground() as made:
        made.port.open(1, REMOTE)
        with closing(Client(made.port)) as client:
            client.send(bytes([0x80, 96]) + bytes(30), bytes([22]) + bytes(60), bytes([64]) * 20)
            client.send(b"", bytes(20), bytes([2]) + bytes(40))
            dropped = made.port.dropped
            await until(lambda: sum(dropped.values()) == 6)
            assert dropped == {"media-from-stranger": 1, "dtls-from-stranger": 1, "unknown": 4}
            assert client.heard() is None


async def test_a_flood_of_handshake_messages_is_cut() -> None:
    async with ground() as made:
        local = made.port.open(1, REMOTE)
        with closing(Client(made.port)) as client:
            client.check(local)
            await until(lambda: made.port.checks["granted"] == 1)
            client.send(*[bytes([22, 254, 253]) + bytes(40)] * 60)
            # In one wake-up: the handshake gets its turn only afterwards.
            made.port._readable()
            assert made.port.dropped["dtls-queue-full"] == 60 - QUEUE_DATAGRAMS_MAX


async def test_one_wake_up_takes_only_so_many() -> None:
    async with ground() as made:
        with closing(Client(made.port)) as client:
            client.send(*[bytes([70])] * (DRAIN_DATAGRAMS_MAX + 40))
            made.port._readable()
            assert made.port.dropped["unknown"] == DRAIN_DATAGRAMS_MAX
            await until(lambda: made.port.dropped["unknown"] == DRAIN_DATAGRAMS_MAX + 40)


async def test_a_restart_gives_other_credentials_for_the_same_peer() -> None:
    async with ground() as made:
        before = made.port.open(1, REMOTE)
        after = made.port.restart(1, REMOTE)
        assert (after.ufrag, after.password) != (before.ufrag, before.password)
        assert (after.fingerprint, after.addresses) == (before.fingerprint, before.addresses)
        with closing(Client(made.port)) as client:
            client.check(before)
            await until(lambda: made.port.checks["unauthentic"] == 1)
            client.check(after)
            await until(lambda: made.port.checks["granted"] == 1)
            assert client.heard() is not None


async def test_credentials_are_long_enough_and_new_each_time() -> None:
    """RFC 8445 §5.3."""
    async with ground() as made:
        made_ = [made.port.open(n, REMOTE) for n in range(50)]
        assert len({each.ufrag for each in made_}) == len({each.password for each in made_}) == 50
        assert all(len(each.ufrag) >= 4 and len(each.password) >= 22 for each in made_)


async def test_clients_are_told_the_external_address() -> None:
    async with ground(external_address="192.0.2.9") as made:
        [(host, port)] = made.port.open(1, REMOTE).addresses
        assert (host, port) == ("192.0.2.9", made.port.address[1])


async def test_an_address_in_use_is_said_at_the_start() -> None:
    async with ground() as made:
        taken = msgspec.structs.replace(SETTINGS, media_port=made.port.address[1])
        with pytest.raises(OSError, match="in use"):
            await Ground(taken).port.start()
