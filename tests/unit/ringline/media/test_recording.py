"""A recording holds exactly what was written, whatever the sender's clock did."""

import fractions
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from ringline.media.errors import MediaUnavailable
from ringline.media.recording import HELD_FRAMES_MAX, Recorder

TICK = fractions.Fraction(1, 90_000)


def picture(at_s: float, shade: int = 100, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    luma = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    luma[: size[1]] = shade
    luma[:8, :8] = 255 - shade
    frame = av.VideoFrame.from_ndarray(luma, format="yuv420p")
    frame.pts, frame.time_base = round(at_s * 90_000), TICK
    return frame


def sound(packet: int, value: int = 1000) -> av.AudioFrame:
    samples = np.full((1, 2 * 960), value, np.int16)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
    frame.sample_rate, frame.pts = 48_000, packet * 960
    frame.time_base = fractions.Fraction(1, 48_000)
    return frame


def read(path: Path) -> tuple[list[av.VideoFrame], npt.NDArray[np.int16]]:
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0)) if container.streams.video else []
    with av.open(str(path)) as container:
        blocks = (
            [f.to_ndarray() for f in container.decode(audio=0)] if container.streams.audio else []
        )
    heard = np.concatenate([b.reshape(-1, 2) for b in blocks]) if blocks else np.zeros((0, 2))
    return pictures, heard[:, 0].astype(np.int16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "call.mkv"


def test_pictures_and_sound_are_kept_without_loss(path: Path) -> None:
    recorder = Recorder(path, audio=True, video=True)
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (72, 64), dtype=np.uint8)
    noise = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
    noise.pts, noise.time_base = 0, TICK
    recorder.write(noise, 0.0)
    for packet in range(10):
        recorder.write(sound(packet, 50 * packet), 0.0)
    recorder.close()
    pictures, heard = read(path)
    assert np.array_equal(pictures[0].to_ndarray(), pixels)
    assert np.array_equal(heard, np.repeat(50 * np.arange(10), 960))
    assert recorder.frames_written == 11


def test_lost_sound_is_silence_and_lost_pictures_are_gaps(path: Path) -> None:
    recorder = Recorder(path, audio=True, video=True)
    for packet in (0, 1, 5, 6):
        recorder.write(sound(packet), 0.0)
    for number in (0, 1, 4):
        recorder.write(picture(number / 25), 0.0)
    recorder.close()
    pictures, heard = read(path)
    assert [round(float(frame.time or 0) * 25) for frame in pictures] == [0, 1, 4]
    assert len(heard) == 7 * 960
    assert not np.any(heard[2 * 960 : 5 * 960])
    assert np.all(heard[5 * 960 :] == 1000)


def test_the_kinds_are_aligned_by_their_arrival(path: Path) -> None:
    recorder = Recorder(path, audio=True, video=True)
    recorder.write(picture(0), 10.0)
    recorder.write(sound(0), 10.5)
    recorder.close()
    _, heard = read(path)
    assert not np.any(heard[:24_000])
    assert np.all(heard[24_000:] == 1000)


@pytest.mark.parametrize("jump_s", [20_000.0, -20_000.0])
def test_a_mad_clock_fills_no_disk(path: Path, jump_s: float) -> None:
    recorder = Recorder(path, audio=True, video=True)
    for number in range(3):
        recorder.write(picture(number / 25), 0.0)
        recorder.write(sound(number), 0.0)
    for number in range(3, 6):
        recorder.write(picture(number / 25 + jump_s), 0.0)
        recorder.write(sound(number + round(jump_s * 50)), 0.0)
    recorder.close()
    pictures, heard = read(path)
    assert 3 <= len(pictures) <= 6
    assert 3 * 960 <= len(heard) <= 7 * 960
    assert path.stat().st_size < 200_000


def test_repeated_times_are_kept_once(path: Path) -> None:
    recorder = Recorder(path, audio=False, video=True)
    for at_s in (0, 0.04, 0.04, 0.02, 0.08):
        recorder.write(picture(at_s), 0.0)
    recorder.close()
    assert len(read(path)[0]) == 3


def test_a_change_of_size_is_scaled_to_the_first(path: Path) -> None:
    recorder = Recorder(path, audio=False, video=True)
    recorder.write(picture(0), 0.0)
    recorder.write(picture(0.04, size=(128, 96)), 0.0)
    recorder.close()
    assert [(frame.width, frame.height) for frame in read(path)[0]] == [(64, 48)] * 2


@pytest.mark.parametrize("frames", [2, HELD_FRAMES_MAX + 5])
def test_a_kind_that_never_comes_is_not_waited_for(path: Path, frames: int) -> None:
    recorder = Recorder(path, audio=True, video=True)
    for packet in range(frames):
        recorder.write(sound(packet), 0.0)
    recorder.write(picture(0), 0.0)
    recorder.close()
    pictures, heard = read(path)
    assert len(heard) == frames * 960
    assert len(pictures) == (1 if frames < HELD_FRAMES_MAX else 0)


def test_a_call_without_a_frame_leaves_an_empty_file(path: Path) -> None:
    Recorder(path, audio=True, video=True).close()
    assert path.stat().st_size < 1000


def test_a_place_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(MediaUnavailable, match="cannot be written"):
        Recorder(tmp_path / "no" / "where.mkv", audio=True, video=True)


def test_a_full_disk_is_an_error_of_the_world() -> None:
    recorder = Recorder("/dev/full", audio=False, video=True)
    with pytest.raises(OSError, match="No space left"):
        fill(recorder)


def fill(recorder: Any) -> None:
    rng = np.random.default_rng(1)
    try:
        for number in range(200):
            noise = av.VideoFrame.from_ndarray(
                rng.integers(0, 255, (360, 320), dtype=np.uint8), format="yuv420p"
            )
            noise.pts, noise.time_base = number * 3600, TICK
            recorder.write(noise, 0.0)
    finally:
        recorder.close()
