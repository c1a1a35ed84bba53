"""Low notes go through, which "voip" would cut off."""

import fractions

import av
import numpy as np
from aiortc.codecs.opus import OpusDecoder
from aiortc.codecs.opus import OpusEncoder as VoiceEncoder
from aiortc.jitterbuffer import JitterFrame

from ringline.media.audio_encoder import OpusEncoder

PACKETS = 100


def loudness(encoder: VoiceEncoder, hertz: float) -> float:
    """The loudness of a tone behind the codec, as a share of the one before it."""
    decoder, out = OpusDecoder(), []
    at = np.arange(PACKETS * 960) / 48_000
    tone = np.asarray(10_000 * np.sin(2 * np.pi * hertz * at), dtype=np.int16)
    for number, samples in enumerate(tone.reshape(PACKETS, 960)):
        frame = av.AudioFrame.from_ndarray(np.repeat(samples, 2)[None], "s16", "stereo")
        frame.sample_rate, frame.pts = 48_000, number * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        payloads, timestamp = encoder.encode(frame)
        for payload in payloads:
            for decoded in decoder.decode(JitterFrame(payload, timestamp)):
                assert isinstance(decoded, av.AudioFrame)
                out.append(decoded.to_ndarray().astype(np.float64).ravel())
    heard = np.concatenate(out[PACKETS // 2 :])
    return float(np.sqrt(np.mean(heard**2)) / (10_000 / np.sqrt(2)))


def test_a_low_note_goes_through() -> None:
    assert loudness(OpusEncoder(), 50) > 0.95
    assert loudness(VoiceEncoder(), 50) < 0.6, "the reason for our own: drop it when this fails"


def test_a_voice_goes_through() -> None:
    assert 0.9 < loudness(OpusEncoder(), 440) < 1.1
