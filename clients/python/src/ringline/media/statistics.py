"""What a call was like, in numbers: one frozen record, made from aiortc's report and our counters."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiortc.stats import (
    RTCInboundRtpStreamStats,
    RTCOutboundRtpStreamStats,
    RTCRemoteInboundRtpStreamStats,
    RTCStats,
    RTCTransportStats,
)
from msgspec import Struct

from ringline.media.quality import estimate_mos

CLOCK_RATE_HZ = {"audio": 48_000, "video": 90_000}


class CallStatistics(Struct, frozen=True, kw_only=True):
    """One side's view. None: not known (yet)."""

    set_up_ms: float | None
    """From both descriptions being known here to the encrypted connection."""
    first_frame_ms: float | None
    """From the same moment to the first decoded picture."""
    video_frames_sent: int
    """Pictures handed to the encoder."""
    video_frames_received: int
    """Pictures of which at least one packet came."""
    video_frames_decoded: int
    audio_seconds_received: float
    """Decoded sound."""
    packets_sent: int
    packets_received: int
    packets_lost: int
    """Audio and video, before any repair by retransmission (RFC 3550 §6.4.1)."""
    loss_fraction: float
    """0 to 1, of all packets expected."""
    jitter_ms: float | None
    """Of the arriving audio (RFC 3550 §6.4.1); of the video when there is no audio."""
    round_trip_ms: float | None
    """From RTCP, smoothed."""
    bytes_sent: int
    """All that went through the one transport, above UDP and without ICE's checks."""
    bytes_received: int
    local_candidate: str | None
    """Type of the selected pair's local end (RFC 8445 §5.1.1): host, srflx, prflx or relay."""
    remote_candidate: str | None
    mos: float | None
    """Estimated for the arriving audio (ITU-T G.107, see `quality`)."""
    audio_codec: str | None
    video_codec: str | None


@dataclass
class Counters:
    """What the peer counts itself; aiortc's report has none of it."""

    set_up_ms: float | None = None
    first_frame_ms: float | None = None
    video_frames_sent: int = 0
    video_frames_received: int = 0
    video_frames_decoded: int = 0
    audio_samples_received: int = 0
    codecs: dict[str, str] = field(default_factory=dict)
    candidates: tuple[str, str] | None = None
    """Types of the selected pair."""


def compose(counters: Counters, report: Iterable[RTCStats]) -> CallStatistics:
    """The record, from one report of `RTCPeerConnection.getStats`."""
    inbound: list[RTCInboundRtpStreamStats] = []
    outbound: list[RTCOutboundRtpStreamStats] = []
    remote: list[RTCRemoteInboundRtpStreamStats] = []
    transports: list[RTCTransportStats] = []
    for entry in report:
        if isinstance(entry, RTCInboundRtpStreamStats):
            inbound.append(entry)
        elif isinstance(entry, RTCOutboundRtpStreamStats):
            outbound.append(entry)
        elif isinstance(entry, RTCRemoteInboundRtpStreamStats):
            remote.append(entry)
        elif isinstance(entry, RTCTransportStats):
            transports.append(entry)
    received = sum(entry.packetsReceived for entry in inbound)
    # More packets than expected (duplicates) count as a negative loss in RFC 3550; here as none.
    lost = sum(max(0, entry.packetsLost) for entry in inbound)
    jitter_ms = _jitter_ms(inbound)
    round_trip_ms = _round_trip_ms(remote)
    return CallStatistics(
        set_up_ms=counters.set_up_ms,
        first_frame_ms=counters.first_frame_ms,
        video_frames_sent=counters.video_frames_sent,
        video_frames_received=counters.video_frames_received,
        video_frames_decoded=counters.video_frames_decoded,
        audio_seconds_received=counters.audio_samples_received / CLOCK_RATE_HZ["audio"],
        packets_sent=sum(entry.packetsSent for entry in outbound),
        packets_received=received,
        packets_lost=lost,
        loss_fraction=_fraction(lost, received),
        jitter_ms=jitter_ms,
        round_trip_ms=round_trip_ms,
        bytes_sent=sum(entry.bytesSent for entry in transports),
        bytes_received=sum(entry.bytesReceived for entry in transports),
        local_candidate=counters.candidates[0] if counters.candidates else None,
        remote_candidate=counters.candidates[1] if counters.candidates else None,
        mos=_mos(inbound, round_trip_ms),
        audio_codec=counters.codecs.get("audio"),
        video_codec=counters.codecs.get("video"),
    )


def _fraction(lost: int, received: int) -> float:
    return lost / (lost + received) if lost + received else 0.0


def _jitter_ms(inbound: list[RTCInboundRtpStreamStats]) -> float | None:
    for kind in ("audio", "video"):
        values = [entry.jitter for entry in inbound if entry.kind == kind]
        if values:
            return max(values) * 1000 / CLOCK_RATE_HZ[kind]
    return None


def _round_trip_ms(remote: list[RTCRemoteInboundRtpStreamStats]) -> float | None:
    # aiortc leaves the time out until a report answers one of our own; clocks make it negative at ~0.
    values = [entry.roundTripTime for entry in remote if entry.roundTripTime is not None]
    return max(0.0, min(values)) * 1000 if values else None


def _mos(inbound: list[RTCInboundRtpStreamStats], round_trip_ms: float | None) -> float | None:
    audio = [entry for entry in inbound if entry.kind == "audio"]
    if not audio:
        return None
    lost = sum(max(0, entry.packetsLost) for entry in audio)
    loss = _fraction(lost, sum(entry.packetsReceived for entry in audio))
    return estimate_mos(round_trip_ms or 0.0, _jitter_ms(audio) or 0.0, loss)
