"""The record against reports worked by hand."""

from datetime import UTC, datetime

import msgspec
import pytest
from aiortc.stats import (
    RTCInboundRtpStreamStats,
    RTCOutboundRtpStreamStats,
    RTCRemoteInboundRtpStreamStats,
    RTCStats,
    RTCTransportStats,
)

from ringline.media.quality import estimate_mos
from ringline.media.statistics import Counters, compose

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def inbound(kind: str, received: int, lost: int, jitter: int) -> RTCInboundRtpStreamStats:
    return RTCInboundRtpStreamStats(
        timestamp=NOW,
        type="inbound-rtp",
        id=kind,
        ssrc=1,
        kind=kind,
        transportId="t",
        packetsReceived=received,
        packetsLost=lost,
        jitter=jitter,
    )


def outbound(packets: int) -> RTCOutboundRtpStreamStats:
    return RTCOutboundRtpStreamStats(
        timestamp=NOW,
        type="outbound-rtp",
        id="o",
        ssrc=1,
        kind="audio",
        transportId="t",
        packetsSent=packets,
        bytesSent=1,
        trackId="x",
    )


def remote(round_trip_s: float | None) -> RTCRemoteInboundRtpStreamStats:
    return RTCRemoteInboundRtpStreamStats(
        timestamp=NOW,
        type="remote-inbound-rtp",
        id="r",
        ssrc=1,
        kind="audio",
        transportId="t",
        packetsReceived=1,
        packetsLost=0,
        jitter=0,
        roundTripTime=round_trip_s,  # type: ignore[arg-type]  # as aiortc does before the first
        fractionLost=0,
    )


def on_the_wire(sent: int, received: int) -> RTCTransportStats:
    return RTCTransportStats(
        timestamp=NOW,
        type="transport",
        id="t",
        packetsSent=1,
        packetsReceived=1,
        bytesSent=sent,
        bytesReceived=received,
        iceRole="controlling",
        dtlsState="connected",
    )


def test_nothing_known_is_none() -> None:
    record = compose(Counters(), [])
    assert (record.set_up_ms, record.first_frame_ms, record.jitter_ms) == (None, None, None)
    assert (record.round_trip_ms, record.mos, record.audio_codec) == (None, None, None)
    assert record.loss_fraction == 0


def test_a_call_adds_up() -> None:
    report: list[RTCStats] = [
        inbound("audio", 95, 5, 480),
        inbound("video", 300, 0, 9000),
        outbound(120),
        remote(0.040),
        on_the_wire(1000, 2000),
    ]
    counters = Counters(
        set_up_ms=12.0,
        video_frames_decoded=7,
        audio_samples_received=96_000,
        codecs={"audio": "opus", "video": "vp8"},
    )
    record = compose(counters, report)
    assert (record.packets_sent, record.packets_received, record.packets_lost) == (120, 395, 5)
    assert record.loss_fraction == pytest.approx(5 / 400)
    assert record.jitter_ms == 10.0, "the audio's, at 48 kHz"
    assert record.round_trip_ms == pytest.approx(40)
    assert (record.bytes_sent, record.bytes_received) == (1000, 2000)
    assert record.audio_seconds_received == 2.0
    assert record.mos == pytest.approx(estimate_mos(40, 10, 0.05)), "by the audio's loss alone"
    assert (record.audio_codec, record.video_codec) == ("opus", "vp8")


def test_video_alone_has_jitter_and_no_mos() -> None:
    record = compose(Counters(), [inbound("video", 10, 0, 900)])
    assert record.jitter_ms == 10.0
    assert record.mos is None


def test_duplicates_are_no_negative_loss() -> None:
    record = compose(Counters(), [inbound("audio", 10, -3, 0)])
    assert (record.packets_lost, record.loss_fraction) == (0, 0)


def test_an_unanswered_report_gives_no_round_trip() -> None:
    assert compose(Counters(), [remote(None)]).round_trip_ms is None
    assert compose(Counters(), [remote(-0.001)]).round_trip_ms == 0


def test_the_record_is_frozen_and_can_be_written_down() -> None:
    record = compose(Counters(), [])
    with pytest.raises(AttributeError):
        record.mos = 5.0  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(record))["packets_lost"] == 0


def test_the_selected_pair_is_named() -> None:
    record = compose(Counters(candidates=("relay", "prflx")), [])
    assert (record.local_candidate, record.remote_candidate) == ("relay", "prflx")
    assert compose(Counters(), []).local_candidate is None
