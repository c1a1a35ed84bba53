"""The judge is judged: it passes the clip itself, and fails what is missing, frozen, late or other."""

import fractions
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from ringline.media import compare as judge
from ringline.media.clips import clip
from ringline.media.compare import Comparison, align, compare, correlation, likeness
from ringline.media.errors import MediaUnavailable
from ringline.media.sources import smaller

FRAMES = 50


def scene() -> list[av.VideoFrame]:
    """Two seconds of the real clip, small."""
    with av.open(str(clip())) as container:
        frames = []
        for frame in container.decode(video=0):
            frames.append(smaller(frame, 180))
            if len(frames) == FRAMES:
                break
    return frames


def speech(seconds: float = 2.0, seed: int = 1) -> judge.Signal:
    """Noise with a changing loudness: like speech to a correlation."""
    rng = np.random.default_rng(seed)
    count = round(seconds * 8000)
    loudness = np.abs(np.sin(np.arange(count) / 900))
    return (rng.normal(0, 0.1, count) * loudness).astype(np.float32)


def write(path: Path, frames: Sequence[av.VideoFrame], signal: judge.Signal | None) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        audio = None if signal is None else container.add_stream("flac", rate=8000, layout="mono")
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, fractions.Fraction(1, 25)
            frame.pict_type = av.video.frame.PictureType.NONE
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and signal is not None:
            samples = np.asarray(signal * 32767, dtype=np.int16)[None]
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            sound.sample_rate, sound.pts = 8000, 0
            sound.time_base = fractions.Fraction(1, 8000)
            container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write(tmp_path / "reference.mkv", scene(), speech())


def test_the_clip_is_itself(reference: Path) -> None:
    result = compare(reference, reference)
    assert result.holds
    assert result.frames_matched == result.frames_reference == result.frames_recorded == FRAMES
    assert result.median_ssim == pytest.approx(1, abs=1e-4)
    assert result.audio_correlation == pytest.approx(1, abs=1e-3)


CHANGES: dict[str, Callable[[list[av.VideoFrame]], list[av.VideoFrame]]] = {
    "one in ten is missing": lambda f: [x for n, x in enumerate(f) if n % 10],
    "the end is missing": lambda f: f[:40],
    "frozen": lambda f: f[:5] + [f[5]] * 45,
    "backwards": lambda f: f[::-1],
}


@pytest.mark.parametrize("name", CHANGES)
def test_pictures_that_did_not_come_are_missed(reference: Path, tmp_path: Path, name: str) -> None:
    changed = write(tmp_path / "changed.mkv", CHANGES[name](scene()), speech())
    result = compare(reference, changed)
    assert not result.holds
    assert result.frame_fraction <= 0.9 or result.median_ssim < judge.MEDIAN_SSIM_MIN


def test_pictures_that_came_twice_or_late_are_no_harm(reference: Path, tmp_path: Path) -> None:
    frames = scene()
    delayed = write(tmp_path / "late.mkv", [frames[0]] * 7 + frames + [frames[-1]] * 3, speech())
    result = compare(reference, delayed)
    assert result.frames_matched == FRAMES
    assert result.frames_recorded == FRAMES + 10
    assert result.holds


def test_a_blurred_picture_fails_by_ssim(reference: Path, tmp_path: Path) -> None:
    blurred = [frame.reformat(20, 12).reformat(320, 180, "yuv420p") for frame in scene()]
    result = compare(reference, write(tmp_path / "blurred.mkv", blurred, speech()))
    assert result.median_ssim < judge.MEDIAN_SSIM_MIN
    assert not result.holds


def test_a_smaller_recording_is_compared_at_its_own_size(reference: Path, tmp_path: Path) -> None:
    small = [smaller(frame, 90) for frame in scene()]
    assert compare(reference, write(tmp_path / "small.mkv", small, speech())).holds


@pytest.mark.parametrize("other", ["bikes.mp4", "carphone_pristine.mp4"])
def test_another_clip_fails_clearly(reference: Path, other: str) -> None:
    result = compare(reference, clip(other))
    assert not result.holds
    assert result.median_ssim < 0.5
    assert result.audio_correlation == 0


@pytest.mark.parametrize("shift", [-8000, -37, 0, 37, 8000])
def test_sound_is_found_at_any_shift(shift: int) -> None:
    signal = speech()
    zeros = np.zeros(abs(shift), dtype=np.float32)
    shifted = np.concatenate([zeros, signal]) if shift >= 0 else signal[-shift:]
    expected = 1 if shift >= 0 else np.sqrt(np.sum(shifted**2) / np.sum(signal**2))
    assert correlation(signal, shifted) == pytest.approx(expected, abs=1e-3)


def test_sound_is_compared_regardless_of_loudness_and_sign_of_noise() -> None:
    signal = speech()
    assert correlation(signal, 0.1 * signal) == pytest.approx(1, abs=1e-3)
    noise = speech(seed=9)
    assert correlation(signal, signal + noise) == pytest.approx(np.sqrt(0.5), abs=0.05)


@pytest.mark.parametrize(
    "other", [speech(seed=2), np.zeros(16_000, np.float32), np.zeros(0, np.float32)]
)
def test_other_sound_and_silence_do_not_correlate(other: judge.Signal) -> None:
    assert correlation(speech(), other) < 0.2


def test_half_of_the_sound_is_not_enough() -> None:
    signal = speech()
    half = signal.copy()
    half[len(half) * 2 // 5 :] = 0
    assert correlation(signal, half) < judge.AUDIO_CORRELATION_MIN


def test_the_best_pairing_keeps_the_order() -> None:
    likenesses = np.array([[0.9, 0.8, 0.1], [0.95, 0.2, 0.1], [0.1, 0.1, 0.9]], np.float32)
    # Both rows like column 0 best; the greatest sum is row 0 with column 0 only if row 1 goes empty.
    assert align(likenesses) == [(1, 0), (2, 2)] or align(likenesses) == [(0, 0), (2, 2)]
    assert align(np.zeros((3, 3), np.float32)) == []
    assert align(np.zeros((0, 5), np.float32)) == []


def test_flat_pictures_are_alike_only_at_one_brightness() -> None:
    dark, bright = np.full((1, 64), 10, np.float32), np.full((1, 64), 240, np.float32)
    assert likeness(dark, dark)[0, 0] == pytest.approx(1)
    assert likeness(dark, bright)[0, 0] < judge.LIKENESS_MIN


def test_each_bar_counts() -> None:
    good = Comparison(
        frames_reference=100,
        frames_recorded=100,
        frames_matched=95,
        median_ssim=0.8,
        audio_correlation=0.7,
    )
    assert good.holds
    for name, value in (("frames_matched", 94), ("median_ssim", 0.79), ("audio_correlation", 0.69)):
        worse = {field: getattr(good, field) for field in good.__struct_fields__} | {name: value}
        assert not Comparison(**worse).holds


def test_what_is_no_media_is_unavailable(reference: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mkv").write_text("no media")
    with pytest.raises(MediaUnavailable):
        compare(reference, tmp_path / "text.mkv")
