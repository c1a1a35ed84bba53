"""The media port with aiortc's ICE and DTLS as its clients, and nothing above it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest
from aioice import ice as aioice_ice

from sfu.net.media_port import MediaPort
from sfu.plane import ConsumerRoute
from sfu.settings import SfuSettings
from tests.integration.sfu.nat import Nat
from tests.integration.sfu.peers import DEADLINE_S, Peer, Watcher

SETTINGS = SfuSettings(media_port=0)
ANN, BEN = 1, 2
SSRC, OUT_SSRC = 0x11111111, 0x22222222
ROUTE = ConsumerRoute(1, BEN, OUT_SSRC, {96: 96}, first_sequence=100)


class Ground:
    def __init__(self, settings: SfuSettings) -> None:
        self.watcher = Watcher()
        self.port = MediaPort(settings, self.watcher, self.watcher)
        self.ann, self.ben = Peer(self.port, ANN), Peer(self.port, BEN)
        self.sent = 0

    def nats(self) -> tuple[Nat, Nat]:
        return Nat(self.port.address), Nat(self.port.address)

    async def connect(self, ann: Nat | None = None, ben: Nat | None = None) -> None:
        """Ann publishes, Ben consumes."""
        await self.ann.connect(ann.inside if ann is not None else None)
        await self.ben.connect(ben.inside if ben is not None else None)
        await until(lambda: len(self.watcher.connected) == 2)
        self.port.plane.publish(1, ANN, SSRC, 90_000, 0)
        self.port.plane.consume(1, ROUTE)

    async def passes(self) -> None:
        """A packet that is sent now arrives, bit for bit (S25)."""
        self.sent += 1
        payload = secrets.token_bytes(1100)
        await self.ann.send(self.sent, SSRC, payload)
        await until(lambda: any(each[12:] == payload for each in self.ben.rtp))


@asynccontextmanager
async def ground(settings: SfuSettings = SETTINGS) -> AsyncIterator[Ground]:
    made = Ground(settings)
    await made.port.start()
    try:
        yield made
    finally:
        await made.ann.close()
        await made.ben.close()
        await made.port.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_what_one_sends_the_other_gets_bit_for_bit() -> None:
    """S25, with AES-GCM, which aiortc offers last."""
    async with ground() as made:
        await made.connect()
        assert set(made.watcher.connected.values()) == {"SRTP_AEAD_AES_128_GCM"}
        for _ in range(100):
            await made.passes()
        assert made.port.plane.counts.packets_forwarded == 100


async def test_a_client_without_gcm_and_one_with_it_understand_each_other() -> None:
    async with ground() as made:
        made.ann.dtls._srtp_profiles = [
            each for each in made.ann.dtls._srtp_profiles if b"CM_SHA1_80" in each.openssl_profile
        ]
        await made.connect()
        assert made.watcher.connected == {
            ANN: "SRTP_AES128_CM_SHA1_80",
            BEN: "SRTP_AEAD_AES_128_GCM",
        }
        await made.passes()


async def test_who_says_goodbye_has_closed() -> None:
    async with ground() as made:
        await made.connect()
        await made.ann.dtls.stop()
        await until(lambda: made.watcher.ended == {ANN: "closed"})


async def test_who_is_closed_hears_it_and_is_not_reported() -> None:
    async with ground() as made:
        await made.connect()
        made.port.close(BEN)
        await until(lambda: made.ben.dtls.state == "closed")
        assert made.watcher.ended == {}
        assert made.port.states() == {"connected": 1, "half-open": 0}


@pytest.mark.parametrize("who", ["sender", "receiver"])
async def test_a_real_client_is_followed_to_another_port(who: str) -> None:
    """S5: aioice nominates once, and its first check from the new port may come while the old one
    still counts as alive. From that check on it must not take two seconds."""
    async with ground() as made, AsyncExitStack() as stack:
        ann, ben = (stack.enter_context(each) for each in made.nats())
        await made.connect(ann, ben)
        await made.passes()
        nat, peer = (ann, made.ann) if who == "sender" else (ben, made.ben)
        nat.rebind()
        agent = made.port._peers[peer.number].agent
        await peer.check()
        assert agent.nominated != nat.outer
        await until(lambda: agent.nominated == nat.outer)
        assert agent.nominated_s - agent.valid[nat.outer] <= 2
        await made.passes()


async def test_nothing_is_sent_to_who_has_fallen_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """S15: every packet of the client is lost; what goes out to it ends, and it is forgotten."""
    monkeypatch.setattr(aioice_ice, "CONSENT_INTERVAL", 0.5)
    settings = msgspec.structs.replace(SETTINGS, consent_timeout_s=3)
    async with ground(settings) as made, AsyncExitStack() as stack:
        _, nat = (stack.enter_context(each) for each in made.nats())
        await made.connect(None, nat)
        await made.passes()
        nat.drops = True
        await until(lambda: made.watcher.ended == {BEN: "silent"})
        await asyncio.gather(*made.port._farewells)
        await asyncio.sleep(0.05)
        came, counts = sum(nat.came.values()), made.port.plane.counts
        packets = counts.packets_in, counts.packets_forwarded
        for number in range(100, 120):
            await made.ann.send(number, SSRC, b"to nobody")
        await until(lambda: counts.packets_in == packets[0] + 20)
        assert counts.packets_forwarded == packets[1]
        assert sum(nat.came.values()) == came
        assert (len(made.port._ice), len(made.port._peers), len(made.port.plane._peers)) == (
            1,
            1,
            1,
        )
        assert made.port.plane._consumers == {}
        assert made.watcher.ended == {BEN: "silent"}


async def test_recorded_packets_are_refused_after_a_restart_too() -> None:
    """S9: the keys stay, and so does what has been seen."""
    async with ground() as made:
        recorded: list[bytes] = []
        await made.connect()
        send = made.ann.ice._send

        async def record(data: bytes) -> None:
            recorded.append(data)
            await send(data)

        made.ann.ice._send = record
        for _ in range(50):
            await made.passes()
        made.ann.ice._send = send
        made.port.restart(ANN, made.ann.remote)
        before, got = made.port.plane.counts.unauthentic, len(made.ben.rtp)
        for packet in recorded:
            await send(packet)
        await until(lambda: made.port.plane.counts.unauthentic == before + len(recorded))
        await made.passes()
        assert len(made.ben.rtp) == got + 1
