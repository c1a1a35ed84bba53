"""Pins what `transport` relies on inside aiortc and aioice: another version may not change it unseen."""

import asyncio
import socket
from collections.abc import AsyncIterator
from importlib import metadata
from typing import Any

import pytest
from aiortc import (
    RTCCertificate,
    RTCConfiguration,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpSender,
)
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from ringline.media import transport
from ringline.media.video_encoder import Vp8Encoder


@pytest.fixture
async def ice() -> AsyncIterator[RTCIceTransport]:
    made = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    yield made
    await made.stop()


def test_the_versions_are_those_that_were_read() -> None:
    assert metadata.version("aiortc").startswith("1.16.")
    assert metadata.version("aioice").startswith("0.13.")


@pytest.mark.parametrize("hosts", [["127.0.0.1"], ["127.0.0.1", "::1"], []])
async def test_exactly_the_named_hosts_are_gathered(ice: RTCIceTransport, hosts: list[str]) -> None:
    transport.gather_on(ice, hosts)
    await ice.iceGatherer.gather()
    assert [candidate.ip for candidate in ice.iceGatherer.getLocalCandidates()] == hosts


async def test_another_connection_gathers_as_before(ice: RTCIceTransport) -> None:
    transport.gather_on(ice, ["127.0.0.1"])
    other = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    await other.iceGatherer.gather()
    found = [candidate.ip for candidate in other.iceGatherer.getLocalCandidates()]
    await other.stop()
    assert "127.0.0.1" not in found


async def test_an_address_that_is_not_ours_is_no_candidate(ice: RTCIceTransport) -> None:
    transport.gather_on(ice, ["192.0.2.1", "127.0.0.1"])
    await ice.iceGatherer.gather()
    assert [candidate.ip for candidate in ice.iceGatherer.getLocalCandidates()] == ["127.0.0.1"]


async def test_relay_only_stays_without_host_candidates() -> None:
    gatherer = RTCIceGatherer(iceServers=[], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    relayed = RTCIceTransport(gatherer)
    transport.gather_on(relayed, ["127.0.0.1"])
    await gatherer.gather()
    assert gatherer.getLocalCandidates() == []
    await relayed.stop()


async def test_the_queue_is_bounded_and_the_oldest_goes(ice: RTCIceTransport) -> None:
    transport.bound_queue(ice, datagrams_max=3)
    connection: Any = ice.iceGatherer._connection
    for number in range(10):
        connection.data_received(bytes([number]), 1)
    kept = [connection._queue.get_nowait() for _ in range(connection._queue.qsize())]
    assert kept == [(bytes([number]), 1) for number in (7, 8, 9)]


async def test_the_end_of_the_connection_is_never_dropped(ice: RTCIceTransport) -> None:
    transport.bound_queue(ice, datagrams_max=1)
    connection: Any = ice.iceGatherer._connection
    connection._queue.put_nowait(None)
    connection.data_received(b"late", 1)
    assert connection._queue.get_nowait() is None


async def test_stray_datagrams_before_the_answer_stay_within_the_limit(
    ice: RTCIceTransport,
) -> None:
    transport.gather_on(ice, ["127.0.0.1"])
    transport.bound_queue(ice, datagrams_max=5)
    await ice.iceGatherer.gather()
    port = ice.iceGatherer.getLocalCandidates()[0].port
    connection: Any = ice.iceGatherer._connection
    loop = asyncio.get_running_loop()
    stranger, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port)
    )
    for _ in range(50):
        stranger.sendto(b"\x80 stray")
    async with asyncio.timeout(5):
        while not connection._queue.qsize():  # noqa: ASYNC110 (aioice has no event for it)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
    stranger.close()
    assert connection._queue.qsize() <= 5


async def test_an_authenticated_check_is_heard(ice: RTCIceTransport) -> None:
    heard: list[int] = []
    transport.watch_checks(ice, lambda: heard.append(1))
    connection: Any = ice.iceGatherer._connection
    with pytest.raises(AttributeError):
        connection.check_incoming(None, ("127.0.0.1", 1), None)
    assert heard == [1]


async def test_packets_are_seen_and_passed_on(ice: RTCIceTransport) -> None:
    dtls: Any = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    seen: list[tuple[str, bytes]] = []
    passed: list[bytes] = []

    async def handle_rtp(data: bytes, arrival_time_ms: int) -> None:
        assert arrival_time_ms == 5
        passed.append(data)

    async def handle_rtcp(data: bytes) -> None:
        passed.append(data)

    assert callable(dtls._handle_rtp_data), "aiortc's own name"
    assert callable(dtls._handle_rtcp_data), "aiortc's own name"
    dtls._handle_rtp_data, dtls._handle_rtcp_data = handle_rtp, handle_rtcp
    transport.watch_packets(
        dtls, lambda data: seen.append(("rtp", data)), lambda data: seen.append(("rtcp", data))
    )
    await dtls._handle_rtp_data(b"a", arrival_time_ms=5)
    await dtls._handle_rtcp_data(b"b")
    assert seen == [("rtp", b"a"), ("rtcp", b"b")]
    assert passed == [b"a", b"b"]


async def test_our_encoder_takes_the_place_of_aiortcs() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender: Any = connection.addTransceiver("video").sender
    assert sender._RTCRtpSender__encoder is None
    encoder = Vp8Encoder()
    transport.use_encoder(sender, encoder)
    assert sender._RTCRtpSender__encoder is encoder
    await connection.close()


def test_an_aiortc_without_that_place_is_noticed() -> None:
    class Other:
        pass

    with pytest.raises(AttributeError):
        transport.use_encoder(Other(), Vp8Encoder())  # type: ignore[arg-type]


def test_the_senders_name_for_it_is_still_used() -> None:
    # `get_encoder` is called only when the attribute is None: read in RTCRtpSender's own code.
    names = RTCRtpSender._next_encoded_frame.__code__.co_names
    assert "_RTCRtpSender__encoder" in names


async def test_relay_only_takes_hold_before_gathering(ice: RTCIceTransport) -> None:
    transport.relay_only(ice)
    transport.gather_on(ice, ["127.0.0.1"])
    await ice.iceGatherer.gather()
    assert ice.iceGatherer.getLocalCandidates() == []


async def test_a_dead_relay_costs_no_more_than_its_time() -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    relay = RTCIceServer(f"turn:127.0.0.1:{silent.getsockname()[1]}", "user", "secret")
    ice = RTCIceTransport(RTCIceGatherer(iceServers=[relay]))
    transport.gather_on(ice, ["127.0.0.1"], servers_timeout_s=0.2)
    async with asyncio.timeout(3):  # aioice alone: 5 s
        await ice.iceGatherer.gather()
    assert [each.type for each in ice.iceGatherer.getLocalCandidates()] == ["host"]
    await ice.stop()
    silent.close()


async def test_the_selected_pair_is_known_when_there_is_one(ice: RTCIceTransport) -> None:
    assert transport.selected_pair(ice) is None
    other = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    for each in (ice, other):
        transport.gather_on(each, ["127.0.0.1"])
        await each.iceGatherer.gather()
    ice._connection.ice_controlling, other._connection.ice_controlling = True, False
    for here, there in ((ice, other), (other, ice)):
        for candidate in there.iceGatherer.getLocalCandidates():
            await here.addRemoteCandidate(candidate)
        await here.addRemoteCandidate(None)
    await asyncio.gather(
        ice.start(other.iceGatherer.getLocalParameters()),
        other.start(ice.iceGatherer.getLocalParameters()),
    )
    assert transport.selected_pair(ice) == ("host", "host")
    await other.stop()
