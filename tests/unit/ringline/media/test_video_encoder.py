"""VP8 payloads that aiortc's own depacketiser and decoder read, within the limits."""

import fractions
from collections.abc import Iterator

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor

from ringline.media.clips import clip
from ringline.media.video_encoder import PAYLOAD_BYTES_MAX, Vp8Encoder, bit_rates

CLOCK = fractions.Fraction(1, 90_000)


def picture(number: int, width: int = 320, height: int = 240, noise: bool = True) -> av.VideoFrame:
    rng = np.random.default_rng(number)
    shade = (
        rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        if noise
        else np.full((height, width, 3), 90, np.uint8)
    )
    frame = av.VideoFrame.from_ndarray(shade, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = number * 3600, CLOCK
    return frame


def joined(payloads: list[bytes]) -> bytes:
    return b"".join(VpxPayloadDescriptor.parse(payload)[1] for payload in payloads)


def is_key_frame(payloads: list[bytes]) -> bool:
    # RFC 6386 §9.1: the lowest bit of the frame tag is 0 in a key frame.
    return not joined(payloads)[0] & 1


def test_pictures_come_out_of_the_decoder_again() -> None:
    encoder, decoder = Vp8Encoder(), av.CodecContext.create("libvpx", "r")
    sizes = []
    for number in range(5):
        payloads, timestamp = encoder.encode(picture(number))
        assert timestamp == number * 3600
        assert is_key_frame(payloads) == (number == 0), (
            "a receiver can begin at once, and only there"
        )
        for frame in decoder.decode(av.Packet(joined(payloads))):
            assert isinstance(frame, av.VideoFrame)
            sizes.append((frame.width, frame.height))
    assert sizes == [(320, 240)] * 5
    assert encoder.frames == 5


def test_no_payload_is_too_large_and_one_begins_the_picture() -> None:
    payloads, _ = Vp8Encoder().encode(picture(0, 640, 360))
    assert len(payloads) > 2
    starts = [VpxPayloadDescriptor.parse(payload)[0].partition_start for payload in payloads]
    assert starts == [1] + [0] * (len(payloads) - 1)
    assert max(len(payload) for payload in payloads) <= PAYLOAD_BYTES_MAX + 4


def test_a_key_frame_comes_on_request_but_not_for_each() -> None:
    encoder = Vp8Encoder()
    keys = [
        number
        for number in range(40)
        if is_key_frame(encoder.encode(picture(number, noise=False), force_keyframe=number > 5)[0])
    ]
    # 25 pictures/s, one key frame in half a second at most: pictures 12.5 apart.
    assert keys == [0, 13, 26, 39]


def test_a_request_that_comes_too_early_is_kept() -> None:
    encoder = Vp8Encoder()
    keys = [
        number
        for number in range(40)
        if is_key_frame(encoder.encode(picture(number, noise=False), force_keyframe=number == 3)[0])
    ]
    assert keys == [0, 13]


def test_what_the_picture_was_elsewhere_forces_no_key_frame() -> None:
    encoder = Vp8Encoder()
    encoder.encode(picture(0))
    frame = picture(1)
    frame.pict_type = av.video.frame.PictureType.I
    assert not is_key_frame(encoder.encode(frame)[0])


@pytest.mark.parametrize(
    ("width", "height", "start"),
    [(320, 240, 400_000), (640, 360, 1_200_000), (960, 540, 1_800_000), (1280, 720, 3_000_000)],
)
def test_larger_pictures_get_more(width: int, height: int, start: int) -> None:
    rates = bit_rates(width, height)
    assert rates.start == start
    assert rates.minimum < rates.start < rates.maximum


def scene(count: int) -> list[av.VideoFrame]:
    """Real pictures: noise cannot be coded at a low rate by any means."""
    frames: list[av.VideoFrame] = []
    with av.open(str(clip())) as container:
        for frame in container.decode(video=0):
            small = frame.reformat(320, 180, "yuv420p")
            small.pts, small.time_base = len(frames) * 3600, CLOCK
            frames.append(small)
            if len(frames) == count:
                break
    return frames


def sent_bits_per_second(encoder: Vp8Encoder, frames: list[av.VideoFrame]) -> float:
    total = sum(len(joined(encoder.encode(frame)[0])) for frame in frames)
    return total * 8 * 25 / len(frames)


def test_the_receivers_estimate_is_followed_within_the_limits() -> None:
    encoder, frames, limits = Vp8Encoder(), scene(120), bit_rates(320, 180)
    encoder.target_bitrate = 10_000_000
    high = sent_bits_per_second(encoder, frames[:60])
    encoder.target_bitrate = 1
    low = sent_bits_per_second(encoder, frames[60:])
    assert encoder.target_bitrate == 1
    assert high == pytest.approx(limits.maximum, rel=0.3)
    assert low == pytest.approx(limits.minimum, rel=0.5)


def keys_after(encoder: Vp8Encoder, bits_per_second: int, at: Iterator[int]) -> bool:
    encoder.target_bitrate = bits_per_second
    return is_key_frame(encoder.encode(picture(next(at), noise=False))[0])


def test_small_changes_of_the_estimate_do_not_reopen_the_codec() -> None:
    encoder, at = Vp8Encoder(), iter(range(10))
    assert keys_after(encoder, 400_000, at)
    assert not keys_after(encoder, 370_000, at)
    assert not keys_after(encoder, 500_000, at)
    assert keys_after(encoder, 300_000, at), "a real decrease is followed at once"


def test_a_picture_of_another_size_begins_anew() -> None:
    encoder = Vp8Encoder()
    encoder.encode(picture(0))
    assert is_key_frame(encoder.encode(picture(1, 160, 120))[0])


def test_vp8_that_is_encoded_already_is_only_packed() -> None:
    packet = av.Packet(b"\x10" * 3000)
    packet.pts, packet.time_base = 1, fractions.Fraction(1, 25)
    payloads, timestamp = Vp8Encoder().pack(packet)
    assert joined(payloads) == b"\x10" * 3000
    assert timestamp == 3600


def test_a_picture_without_a_time_is_our_own_mistake() -> None:
    frame = picture(0)
    frame.pts = None
    with pytest.raises(ValueError, match="time"):
        Vp8Encoder().encode(frame)
    with pytest.raises(ValueError, match="time"):
        Vp8Encoder().pack(av.Packet(b"x"))
