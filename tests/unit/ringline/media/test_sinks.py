"""Sinks keep up, or drop and count; they never hold up the call."""

import fractions
import threading
import time
from pathlib import Path

import av
import pytest

from ringline.media import sinks
from ringline.media.errors import MediaFailed, MediaUnavailable
from ringline.media.recording import Frame, Recorder
from ringline.media.sinks import CallbackSink, FileSink, NullSink


def picture(number: int) -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.pts, frame.time_base = number * 3600, fractions.Fraction(1, 90_000)
    return frame


def sound() -> av.AudioFrame:
    return av.AudioFrame("s16", "stereo", 960)


async def test_nowhere_counts() -> None:
    sink = NullSink()
    sink.expect(audio=True, video=True)
    sink.on_video(picture(0))
    sink.on_audio(sound())
    sink.on_audio(sound())
    await sink.close()
    assert (sink.video_frames, sink.audio_frames) == (1, 2)


async def test_a_callback_gets_every_frame_of_the_kinds_it_wants() -> None:
    seen: list[Frame] = []
    sink = CallbackSink(on_video=seen.append)
    sink.expect(audio=True, video=True)
    frame = picture(0)
    sink.on_video(frame)
    sink.on_audio(sound())
    await sink.close()
    assert seen == [frame]
    heard: list[Frame] = []
    CallbackSink(on_audio=heard.append).on_audio(sound())
    assert len(heard) == 1


async def test_a_file_is_whole_after_close(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "call.mkv")
    sink.expect(audio=False, video=True)
    for number in range(20):
        sink.on_video(picture(number))
    await sink.close()
    assert (sink.frames_written, sink.frames_dropped) == (20, 0)
    with av.open(str(sink.path)) as container:
        assert len(list(container.decode(video=0))) == 20


async def test_a_call_that_never_was_leaves_no_file(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "call.mkv")
    await sink.close()
    assert not sink.path.exists()


async def test_a_slow_disk_costs_frames_and_not_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    write = Recorder.write

    def slow(self: Recorder, frame: Frame, arrival_s: float) -> None:
        go_on.wait(10)
        write(self, frame, arrival_s)

    monkeypatch.setattr(Recorder, "write", slow)
    sink = FileSink(tmp_path / "call.mkv", queue_frames_max=5)
    sink.expect(audio=False, video=True)
    frames = [picture(number) for number in range(100)]
    began_s = time.monotonic()
    for frame in frames:
        sink.on_video(frame)
    assert time.monotonic() - began_s < 1
    go_on.set()
    await sink.close()
    assert sink.frames_dropped >= 94
    assert sink.frames_dropped + sink.frames_written == 100


async def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(MediaUnavailable):
        FileSink(tmp_path / "no" / "where.mkv").expect(audio=True, video=True)


async def test_a_disk_that_fails_is_said_at_the_end_and_stops_nothing(tmp_path: Path) -> None:
    sink = FileSink("/dev/full")
    sink.expect(audio=False, video=True)
    for number in range(50):
        sink.on_video(picture(number))
    with pytest.raises(MediaFailed, match="could not be written"):
        await sink.close()


async def test_a_disk_that_hangs_ends_with_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Recorder, "write", lambda *_: go_on.wait(30))
    monkeypatch.setattr(sinks, "CLOSE_TIMEOUT_S", 0.2)
    sink = FileSink(tmp_path / "call.mkv")
    sink.expect(audio=False, video=True)
    sink.on_video(picture(0))
    with pytest.raises(MediaFailed, match="did not keep up"):
        await sink.close()
    go_on.set()


async def test_one_file_is_for_one_call(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "call.mkv")
    sink.expect(audio=True, video=True)
    with pytest.raises(RuntimeError):
        sink.expect(audio=True, video=True)
    await sink.close()
