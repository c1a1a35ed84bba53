"""One side of a group call against an aiortc connection that answers as an SFU does, over 127.0.0.1."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import av
import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from ringline.client.call_media import IceServer
from ringline.media import transport
from ringline.media.errors import MediaFailed, MediaRefused
from ringline.media.group_peer import Description, GroupPeer
from ringline.media.sinks import CallbackSink
from ringline.media.sources import TestSource

LOOPBACK = ["127.0.0.1"]
Made = Callable[..., GroupPeer]


class Answerer:
    """Receives what is published, and sends `source`'s tracks into the sections that receive."""

    def __init__(self) -> None:
        self.source = TestSource()
        self._sent: set[str] = set()
        self._gathers = False
        self.pictures = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.connection.on("track", self._take)

    def _take(self, track: Any) -> None:
        if track.kind == "video":
            task = asyncio.get_running_loop().create_task(self._count(track))
            self._tasks.add(task)

    async def _count(self, track: Any) -> None:
        while True:
            await track.recv()
            self.pictures += 1

    async def answer(self, described: Description) -> str:
        connection = self.connection
        await connection.setRemoteDescription(RTCSessionDescription(described.sdp, "offer"))
        for section in connection.getTransceivers():
            if section.mid in described.subscribe and section.mid not in self._sent:
                self._sent.add(section.mid)
                section.sender.replaceTrack(getattr(self.source, section.kind))
                section.direction = "sendonly"
        if not self._gathers:
            self._gathers = True
            ice = connection.getTransceivers()[0].sender.transport.transport
            transport.gather_on(ice, LOOPBACK)
        await connection.setLocalDescription(await connection.createAnswer())
        return str(connection.localDescription.sdp)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.connection.close()
        await self.source.close()


@pytest.fixture
async def make() -> AsyncIterator[Made]:
    peers: list[GroupPeer] = []

    def made(source: Any = None, **settings: Any) -> GroupPeer:
        peers.append(GroupPeer(source, **{"host_addresses": LOOPBACK} | settings))
        return peers[-1]

    yield made
    await asyncio.gather(*(peer.close() for peer in peers))


@pytest.fixture
async def sfu() -> AsyncIterator[Answerer]:
    answerer = Answerer()
    yield answerer
    await answerer.close()


async def negotiate(peer: GroupPeer, sfu: Answerer) -> Description:
    described = await peer.offer()
    await peer.accept_answer(await sfu.answer(described))
    return described


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def directions(sdp: str) -> list[str]:
    wanted = ("a=sendonly", "a=recvonly", "a=sendrecv", "a=inactive")
    return [line[2:] for line in sdp.splitlines() if line in wanted]


async def test_what_is_sent_and_received_goes_by_one_connection(make: Made, sfu: Answerer) -> None:
    seen: list[av.VideoFrame] = []
    peer = make(TestSource())
    assert peer.kinds == ["audio", "video"]
    await peer.begin_anew()
    first = await negotiate(peer, sfu)
    assert sorted(first.publish.values()) == ["audio", "video"]
    assert first.subscribe == {}
    assert directions(first.sdp) == ["sendonly", "sendonly"]
    peer.receive("a", "audio")
    peer.receive("v", "video", CallbackSink(on_video=seen.append))
    second = await negotiate(peer, sfu)
    assert sorted(second.subscribe.values()) == ["a", "v"]
    assert second.publish == first.publish
    assert directions(second.sdp) == ["sendonly", "sendonly", "recvonly", "recvonly"]
    await until(lambda: len(seen) >= 5 and sfu.pictures >= 5)
    await until(lambda: peer.statistics()["a"].audio_seconds > 0.2)
    numbers = peer.statistics()["v"]
    assert numbers.frames_decoded >= 5
    assert numbers.first_frame_ms is not None
    assert numbers.first_frame_ms > 0


async def test_what_ended_keeps_its_section_and_its_numbers(make: Made, sfu: Answerer) -> None:
    peer = make(TestSource())
    await peer.begin_anew()
    peer.receive("v", "video")
    described = await negotiate(peer, sfu)
    [section] = [mid for mid, track in described.subscribe.items() if track == "v"]
    await until(lambda: peer.statistics()["v"].frames_decoded >= 2)
    peer.stop("v")
    peer.stop("v")
    decoded = peer.statistics()["v"].frames_decoded
    after = await negotiate(peer, sfu)
    assert after.subscribe == {}
    assert directions(after.sdp)[-1] == "inactive"
    peer.receive("w", "video")
    later = await peer.offer()
    assert section not in later.subscribe, "a section is used for one track"
    assert peer.statistics()["v"].frames_decoded == decoded


async def test_the_muted_send_nothing(make: Made, sfu: Answerer) -> None:
    peer = make(TestSource())
    await peer.begin_anew()
    await negotiate(peer, sfu)
    await until(lambda: sfu.pictures >= 3)
    peer.set_muted("video", True)
    await asyncio.sleep(0.3)
    before = sfu.pictures
    await asyncio.sleep(0.3)
    assert sfu.pictures == before
    peer.set_muted("video", False)
    await until(lambda: sfu.pictures >= before + 3)
    with pytest.raises(KeyError):
        make().set_muted("video", True)


async def test_the_source_outlives_a_connection(make: Made, sfu: Answerer) -> None:
    lost: list[bool] = []
    peer = make(TestSource(), on_lost=lambda: lost.append(True))
    await peer.begin_anew()
    peer.receive("v", "video")
    await negotiate(peer, sfu)
    await until(lambda: sfu.pictures >= 3)
    await peer.begin_anew()
    assert lost == [], "that was one's own doing"
    other = Answerer()
    try:
        described = await negotiate(peer, other)
        assert described.subscribe == {}, "nothing is received until it is said again"
        await until(lambda: other.pictures >= 3)
    finally:
        await other.close()
    await until(lambda: lost == [True])
    with pytest.raises(MediaFailed, match="gone"):
        await peer.offer()


async def test_a_listener_alone(make: Made, sfu: Answerer) -> None:
    peer = make()
    assert peer.kinds == []
    await peer.begin_anew()
    with pytest.raises(MediaFailed, match="nothing to send"):
        await peer.offer()
    peer.receive("v", "video")
    described = await negotiate(peer, sfu)
    assert directions(described.sdp) == ["recvonly"]
    await until(lambda: peer.statistics()["v"].frames_decoded >= 2)


async def test_a_sink_that_breaks_costs_its_own_frames(
    make: Made, sfu: Answerer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: av.VideoFrame) -> None:
        raise ValueError("no room")

    peer = make()
    await peer.begin_anew()
    peer.receive("v", "video", CallbackSink(on_video=broken))
    await negotiate(peer, sfu)
    await until(lambda: peer.statistics()["v"].frames_decoded >= 5)
    assert len([each for each in caplog.records if "sink" in each.message]) == 1


async def test_an_answer_that_is_none(make: Made) -> None:
    peer = make(TestSource())
    await peer.begin_anew()
    await peer.offer()
    with pytest.raises(MediaRefused):
        await peer.accept_answer("v=0\r\nnonsense\r\n")


async def test_who_hides_needs_a_relay(make: Made) -> None:
    peer = make(TestSource(), relay_only=True)
    with pytest.raises(MediaFailed, match="offers no relay"):
        peer.use_servers([])
    # A port where nobody answers: no address, and no other is told instead.
    peer.use_servers([IceServer(["turn:127.0.0.1:9?transport=udp"], "user", "secret")])
    await peer.begin_anew()
    with pytest.raises(MediaFailed, match="no address"):
        await peer.offer()
