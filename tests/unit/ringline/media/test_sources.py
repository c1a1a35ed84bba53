"""What comes out of a source: times, shapes, pace, ends."""

import asyncio
import fractions
import itertools
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ringline.media import pattern
from ringline.media.clips import clip
from ringline.media.errors import MediaUnavailable
from ringline.media.sources import (
    AUDIO_TAIL_PACKETS,
    VIDEO_TAIL_FRAMES,
    DeviceSource,
    FileSource,
    Pace,
    ReaderTrack,
    TestSource,
    smaller,
)


@pytest.fixture
def short_clip(tmp_path: Path) -> Path:
    """Half a second: 10 numbered pictures at 20 frames/s, and a mono tone at 16 kHz."""
    path = tmp_path / "short.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=20)
        video.width, video.height, video.pix_fmt = pattern.WIDTH, pattern.HEIGHT, "yuv420p"
        audio = container.add_stream("flac", rate=16_000, layout="mono")
        for number in range(10):
            picture = av.VideoFrame.from_ndarray(pattern.picture(number), format="rgb24")
            container.mux(video.encode(picture.reformat(format="yuv420p")))
        tone = np.asarray(9000 * np.sin(np.arange(8000) / 5), dtype=np.int16)
        sound = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = 16_000, 0
        sound.time_base = fractions.Fraction(1, 16_000)
        container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


async def drain(track: MediaStreamTrack | None, most: int = 10_000) -> list[Any]:
    assert track is not None
    frames: list[Any] = []
    while len(frames) < most:
        try:
            frames.append(await track.recv())
        except MediaStreamError:
            break
    return frames


def number_of(frame: av.VideoFrame) -> int:
    luma: Any = frame.reformat(format="gray").to_ndarray()
    return pattern.number_of(luma)


async def test_a_files_pictures_come_in_order_at_their_times(short_clip: Path) -> None:
    source = FileSource(short_clip)
    began_s = time.monotonic()
    frames = await drain(source.video)
    elapsed_s = time.monotonic() - began_s
    assert [number_of(frame) for frame in frames] == [*range(10), *[9] * VIDEO_TAIL_FRAMES]
    times = [frame.pts / 90_000 for frame in frames]
    assert times == pytest.approx(
        [number / 20 for number in range(10 + VIDEO_TAIL_FRAMES)], abs=0.002
    )
    assert elapsed_s >= times[-1] - 0.01, "not faster than real time"
    await source.close()


async def test_its_sound_is_stereo_at_48_khz_in_packets_of_20_ms(short_clip: Path) -> None:
    source = FileSource(short_clip)
    frames = await drain(source.audio)
    whole = frames[:-AUDIO_TAIL_PACKETS]
    assert sum(frame.samples for frame in whole) == pytest.approx(24_000, abs=50)
    assert {frame.samples for frame in whole[:-1]} == {960}
    assert {(frame.sample_rate, frame.layout.name, frame.format.name) for frame in frames} == {
        (48_000, "stereo", "s16")
    }
    ends = [frame.pts + frame.samples for frame in frames]
    assert [frame.pts for frame in frames[1:]] == ends[:-1], "without a hole"
    assert np.abs(whole[3].to_ndarray()).max() > 4000
    assert not np.any(frames[-1].to_ndarray())
    await source.close()


async def test_both_tracks_keep_one_pace(short_clip: Path) -> None:
    source = FileSource(short_clip)
    loop = asyncio.get_running_loop()

    async def last_at(track: MediaStreamTrack | None) -> float:
        await drain(track)
        return loop.time()

    video_s, audio_s = await asyncio.gather(last_at(source.video), last_at(source.audio))
    # Pictures end at 11/20 s with their tail; sound at 25 packets and its tail.
    assert audio_s - video_s == pytest.approx(0.65 - 0.55, abs=0.1)


async def test_a_loop_goes_on_with_rising_times(short_clip: Path) -> None:
    source = FileSource(short_clip, loop=True)
    frames = await drain(source.video, most=15)
    assert [number_of(frame) for frame in frames] == [*range(10), *range(5)]
    pts = [frame.pts for frame in frames]
    assert pts == sorted(set(pts))
    assert pts[10] / 90_000 == pytest.approx(0.5, abs=0.05)
    await source.close()


async def test_a_looped_sound_goes_on_too(short_clip: Path) -> None:
    source = FileSource(short_clip, loop=True)
    frames = await drain(source.audio, most=40)
    assert len(frames) == 40
    assert all(b.pts >= a.pts + a.samples for a, b in itertools.pairwise(frames))
    await source.close()


async def test_pictures_are_made_smaller_and_keep_their_shape() -> None:
    source = FileSource(clip(), max_height=180)
    frame = (await drain(source.video, most=1))[0]
    assert (frame.width, frame.height, frame.format.name) == (320, 180, "yuv420p")
    await source.close()


def test_smaller_keeps_what_fits_and_makes_sides_even() -> None:
    frame = av.VideoFrame(354, 201, "yuv420p")
    assert smaller(frame, 300) is frame
    shrunk = smaller(frame, 101)
    assert (shrunk.width, shrunk.height) == (176, 100)


async def test_nothing_is_read_before_it_is_asked_for(short_clip: Path) -> None:
    source = FileSource(short_clip)
    assert source.video is not None
    await asyncio.sleep(0.1)
    began_s = time.monotonic()
    frames = await drain(source.video)
    assert number_of(frames[0]) == 0
    assert time.monotonic() - began_s > 0.5, "the clock starts with the first frame"
    await source.close()


@pytest.mark.parametrize("content", [None, b"", b"no media at all" * 100])
def test_what_is_no_media_is_unavailable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaUnavailable):
        FileSource(path)


async def test_a_damaged_file_ends_where_it_breaks(short_clip: Path, tmp_path: Path) -> None:
    data = short_clip.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) // 2])
    frames = await drain(FileSource(cut).video)
    assert 1 <= len(frames) < 10 + VIDEO_TAIL_FRAMES


async def test_late_pictures_are_left_out_and_sound_is_not() -> None:
    class Late(Pace):
        async def until(self, at_s: float) -> float:
            return 5.0 if at_s < 1 else 0.0

    def frames() -> Any:
        for number in range(30):
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts, frame.time_base = number, fractions.Fraction(1, 25)
            yield frame

    video = ReaderTrack("video", frames(), Late())
    assert [frame.pts for frame in await drain(video)] == [25, 26, 27, 28, 29]
    assert video.frames_left_out == 25
    assert len(await drain(ReaderTrack("audio", frames(), Late()))) == 30


async def test_the_test_source_numbers_its_pictures() -> None:
    source = TestSource(seconds=0.2)
    video, audio = await asyncio.gather(drain(source.video), drain(source.audio))
    assert [number_of(frame) for frame in video] == [*range(5), *[4] * VIDEO_TAIL_FRAMES]
    assert len(audio) == 10 + AUDIO_TAIL_PACKETS
    assert np.abs(audio[0].to_ndarray()).max() > 4000
    assert not np.any(audio[-1].to_ndarray())


async def test_an_endless_test_source_goes_on() -> None:
    source = TestSource()
    assert [number_of(frame) for frame in await drain(source.video, most=4)] == [0, 1, 2, 3]
    assert len(await drain(source.audio, most=4)) == 4
    await source.close()


async def test_a_device_is_read_by_its_ffmpeg_name() -> None:
    # lavfi is a device to FFmpeg: the same path as a camera's, on a machine that has none.
    source = DeviceSource(
        video="testsrc2=size=640x480:rate=25",
        audio="sine=frequency=440:sample_rate=44100",
        video_format="lavfi",
        audio_format="lavfi",
        max_height=240,
    )
    video, audio = await drain(source.video, most=3), await drain(source.audio, most=3)
    assert [(frame.width, frame.height) for frame in video] == [(320, 240)] * 3
    assert [frame.pts for frame in video] == [0, 3600, 7200]
    assert [frame.pts for frame in audio] == [0, 960, 1920]
    assert audio[0].sample_rate == 48_000
    await source.close()


@pytest.mark.parametrize(
    ("video", "video_format"), [("/dev/video99", "v4l2"), ("/dev/video99", "no-such-format")]
)
def test_a_missing_camera_is_named(video: str, video_format: str) -> None:
    with pytest.raises(MediaUnavailable, match="/dev/video99"):
        DeviceSource(video=video, video_format=video_format)


def test_a_missing_microphone_lets_go_of_the_camera() -> None:
    with pytest.raises(MediaUnavailable, match="no-such"):
        DeviceSource(video="testsrc2", video_format="lavfi", audio="no-such-microphone")
    with pytest.raises(MediaUnavailable):
        DeviceSource()
