"""VP8 for calls: libvpx in real time, at bit rates that suit the picture's size.

aiortc's own encoder starts at 0.5 and stops at 1.5 Mbit/s, at any size, by module constants; it also
reopens the codec (and so sends a key frame) at each change of more than a tenth. This one takes its
place in one sender (see `transport.use_encoder`), with limits of its own.
"""

import fractions
from typing import Any, Final

import av
from aiortc.codecs.base import Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.mediastreams import convert_timebase
from av.frame import Frame
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from msgspec import Struct

CLOCK: Final = fractions.Fraction(1, 90_000)
PAYLOAD_BYTES_MAX: Final = 1200
"""A packet stays under 1,280 bytes with its headers and tag: no path splits it (RFC 8200 §5)."""
KEY_FRAME_INTERVAL_MIN_S: Final = 0.5
"""Requests of the receiver that come sooner are answered by the key frame that just went out."""
_DECREASE, _INCREASE = 0.9, 1.3


class BitRates(Struct, frozen=True):
    """Bits per second: what the receiver's estimate can bring it to, and where it starts."""

    minimum: int
    start: int
    maximum: int


_BY_PIXELS: Final = (
    (320 * 240, BitRates(100_000, 400_000, 600_000)),
    (640 * 360, BitRates(200_000, 1_200_000, 2_000_000)),
    (960 * 540, BitRates(300_000, 1_800_000, 3_000_000)),
)
_LARGE: Final = BitRates(500_000, 3_000_000, 5_000_000)


def bit_rates(width: int, height: int) -> BitRates:
    """The limits for a picture of this size."""
    for pixels, rates in _BY_PIXELS:
        if width * height <= pixels:
            return rates
    return _LARGE


class Vp8Encoder(Encoder):
    """Frames to RTP payloads (RFC 7741). `encode` runs on a thread; the rest on the loop."""

    def __init__(self) -> None:
        self.frames = 0
        """Pictures encoded."""
        self._codec: VideoCodecContext | None = None
        self._asked: int | None = None
        self._picture_id = 0
        self._key_frame_at_s: float | None = None
        self._key_frame_wanted = False
        """Asked for; given as soon as one is due."""

    @property
    def target_bitrate(self) -> int:
        """Bits per second that were last asked for (aiortc sets it from REMB); 0 before that."""
        return self._asked or 0

    @target_bitrate.setter
    def target_bitrate(self, bits_per_second: int) -> None:
        self._asked = bits_per_second

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """The payloads of one picture and its RTP timestamp, from 0."""
        if not isinstance(frame, av.VideoFrame) or frame.pts is None:
            raise ValueError("a picture with a time is needed")
        time_base = frame.time_base or CLOCK
        now_s = float(frame.pts * time_base)
        picture = frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
        codec = self._fitting_codec(picture)
        self._key_frame_wanted |= force_keyframe
        key = self._key_frame_wanted and self._key_frame_is_due(now_s)
        # A picture out of another decoder says what it was there: that must not force a key frame.
        picture.pict_type = PictureType.I if key else PictureType.NONE
        packets = codec.encode(picture)
        if any(packet.is_keyframe for packet in packets):
            self._key_frame_at_s, self._key_frame_wanted = now_s, False
        self.frames += 1
        payloads = self._packetize(b"".join(bytes(packet) for packet in packets))
        return payloads, convert_timebase(frame.pts, time_base, CLOCK)

    def pack(self, packet: "Packet[Any]") -> tuple[list[bytes], int]:
        """The same for a picture that is VP8 already."""
        if packet.pts is None:
            raise ValueError("a packet with a time is needed")
        return self._packetize(bytes(packet)), convert_timebase(packet.pts, packet.time_base, CLOCK)

    def _key_frame_is_due(self, now_s: float) -> bool:
        last = self._key_frame_at_s
        return last is None or now_s - last >= KEY_FRAME_INTERVAL_MIN_S

    def _fitting_codec(self, picture: av.VideoFrame) -> VideoCodecContext:
        rates = bit_rates(picture.width, picture.height)
        wanted = min(rates.maximum, max(rates.minimum, self._asked or rates.start))
        codec = self._codec
        if codec is not None and (codec.width, codec.height) == (picture.width, picture.height):
            current = codec.bit_rate or rates.start
            if current * _DECREASE <= wanted <= current * _INCREASE:
                return codec
        self._codec = _open(picture.width, picture.height, wanted)
        return self._codec

    def _packetize(self, data: bytes) -> list[bytes]:
        head = VpxPayloadDescriptor(partition_start=1, partition_id=0, picture_id=self._picture_id)
        self._picture_id = (self._picture_id + 1) % (1 << 15)
        payloads = []
        for start in range(0, len(data), PAYLOAD_BYTES_MAX):
            payloads.append(bytes(head) + data[start : start + PAYLOAD_BYTES_MAX])
            head.partition_start = 0
        return payloads


def _open(width: int, height: int, bits_per_second: int) -> VideoCodecContext:
    codec = av.CodecContext.create("libvpx", "w")
    if not isinstance(codec, VideoCodecContext):
        raise TypeError("libvpx is not a video codec here")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base = CLOCK
    codec.bit_rate = bits_per_second
    codec.gop_size = 3000  # key frames come on request, not by the clock
    codec.qmin, codec.qmax = 2, 56
    codec.thread_count = 1
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "-6",
        "lag-in-frames": "0",
        # Equal limits mean a constant bit rate, over a buffer of one second.
        "minrate": str(bits_per_second),
        "maxrate": str(bits_per_second),
        "bufsize": str(bits_per_second),
        "overshoot-pct": "15",
        "undershoot-pct": "100",
    }
    return codec
