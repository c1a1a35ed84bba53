"""What a call sends: a file, a test picture with a tone, or a device.

A source has at most one audio and one video track. Nothing is read before the connection asks for
the first frame, which aiortc does when it is encrypted and up. Sound goes out as 48 kHz stereo in
packets of 20 ms (Opus at 96 kbit/s), whatever it was.
"""

import asyncio
import contextlib
import fractions
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.container import InputContainer

from ringline.media import pattern
from ringline.media.errors import MediaUnavailable

Frame = av.AudioFrame | av.VideoFrame

SAMPLE_RATE_HZ: Final = 48_000
PACKET_SAMPLES: Final = 960
VIDEO_CLOCK: Final = fractions.Fraction(1, 90_000)
LATE_S_MAX: Final = 1.0
"""Pictures later than this are left out, so that a slow machine does not fall ever further behind."""
OPEN_TIMEOUT_S: Final = 5.0

VIDEO_TAIL_FRAMES: Final = 2
AUDIO_TAIL_PACKETS: Final = 8
"""A receiver's jitter buffer gives a picture out when the next one begins, and holds four packets of
sound (aiortc's `prefetch`): the last picture is repeated, and silence follows the sound."""


class Source(Protocol):
    """What is sent. `audio` or `video` is None when there is none."""

    @property
    def audio(self) -> MediaStreamTrack | None: ...

    @property
    def video(self) -> MediaStreamTrack | None: ...

    async def close(self) -> None: ...


class Pace:
    """Real time, shared by the tracks of one source."""

    def __init__(self) -> None:
        self._origin_s: float | None = None

    async def until(self, at_s: float) -> float:
        """Wait for the moment `at_s` of the source; return how late it is, in seconds."""
        now_s = asyncio.get_running_loop().time()
        if self._origin_s is None:
            self._origin_s = now_s - at_s
        wait_s = self._origin_s + at_s - now_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return max(0.0, -wait_s)


class ReaderTrack(MediaStreamTrack):
    """Frames out of a blocking iterator, read on a thread of its own, one ahead at most."""

    def __init__(self, kind: str, frames: Iterator[Frame], pace: Pace | None) -> None:
        super().__init__()
        self.kind = kind
        self.frames_left_out = 0
        self._frames = frames
        self._pace = pace
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{kind}-source")

    async def recv(self) -> Frame:
        """The next frame, at its time. Raise MediaStreamError at the end."""
        while self.readyState == "live":
            loop = asyncio.get_running_loop()
            frame = await loop.run_in_executor(self._thread, next, self._frames, None)
            if frame is None:
                break
            late_s = await self._pace.until(frame.time or 0.0) if self._pace else 0.0
            if self.kind == "video" and late_s > LATE_S_MAX:
                self.frames_left_out += 1
                continue
            return frame
        self.stop()
        raise MediaStreamError

    def stop(self) -> None:
        if self.readyState == "live":
            self._thread.submit(_close, self._frames)
            self._thread.shutdown(wait=False)
        super().stop()


def _close(frames: Iterator[Frame]) -> None:
    """End a generator where it runs: on its thread."""
    close = getattr(frames, "close", None)
    if close is not None:
        close()


class _Tracks:
    """The part that all sources share."""

    audio: ReaderTrack | None = None
    video: ReaderTrack | None = None

    async def close(self) -> None:
        for track in (self.audio, self.video):
            if track is not None:
                track.stop()


class FileSource(_Tracks):
    """The first audio and video stream of a file, in real time.

    `max_height`: taller pictures are made smaller. `loop`: begin again at the end. Raise
    MediaUnavailable when the file cannot be read or has neither.
    """

    def __init__(self, path: Path | str, loop: bool = False, max_height: int | None = None) -> None:
        with _open(str(path)) as container:
            has_audio, has_video = bool(container.streams.audio), bool(container.streams.video)
        if not has_audio and not has_video:
            raise MediaUnavailable(f"{path} has neither sound nor pictures")
        pace = Pace()
        if has_audio:
            self.audio = ReaderTrack("audio", _file_audio(str(path), loop), pace)
        if has_video:
            self.video = ReaderTrack("video", _file_video(str(path), loop, max_height), pace)


class TestSource(_Tracks):
    """`pattern`'s numbered pictures and chirp, endless or for `seconds`."""

    __test__ = False  # for pytest: not a test

    def __init__(self, seconds: float | None = None) -> None:
        pace = Pace()
        frames = None if seconds is None else round(seconds * pattern.FRAMES_PER_SECOND)
        packets = None if seconds is None else round(seconds * SAMPLE_RATE_HZ / PACKET_SAMPLES)
        self.audio = ReaderTrack("audio", _pattern_audio(packets), pace)
        self.video = ReaderTrack("video", _pattern_video(frames), pace)


class DeviceSource(_Tracks):
    """A camera and a microphone by FFmpeg's device names. Raise MediaUnavailable without them.

    `video_format`: v4l2, avfoundation, dshow …; `audio_format`: alsa, pulse …: what this build of
    PyAV has (its Linux wheels have alsa, and no v4l2). The device sets the pace.
    """

    def __init__(
        self,
        video: str | None = None,
        audio: str | None = None,
        video_format: str = "v4l2",
        audio_format: str = "alsa",
        max_height: int | None = None,
    ) -> None:
        if video is None and audio is None:
            raise MediaUnavailable("name a camera or a microphone")
        camera = _open(video, video_format) if video is not None else None
        try:
            microphone = _open(audio, audio_format) if audio is not None else None
        except MediaUnavailable:
            if camera is not None:
                camera.close()
            raise
        if camera is not None:
            self.video = ReaderTrack("video", _device_video(camera, max_height), None)
        if microphone is not None:
            self.audio = ReaderTrack("audio", _device_audio(microphone), None)


def _open(name: str, device_format: str | None = None) -> InputContainer:
    try:
        return av.open(name, format=device_format, timeout=OPEN_TIMEOUT_S)
    except (av.FFmpegError, OSError, ValueError) as error:
        what = name if device_format is None else f"{name} ({device_format})"
        raise MediaUnavailable(f"{what} cannot be opened: {error}") from None


def smaller(frame: av.VideoFrame, max_height: int | None) -> av.VideoFrame:
    """As yuv420p, at most `max_height` high, with even sides and the same shape."""
    if max_height is None or frame.height <= max_height:
        return frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
    height = max_height // 2 * 2
    width = round(frame.width * height / frame.height / 2) * 2
    return frame.reformat(width=width, height=height, format="yuv420p")


def _at(frame: av.VideoFrame, at_s: float) -> av.VideoFrame:
    frame.pts = round(at_s / VIDEO_CLOCK)
    frame.time_base = VIDEO_CLOCK
    return frame


def _file_video(path: str, loop: bool, max_height: int | None) -> Iterator[Frame]:
    offset_s = 0.0
    last, last_s, period_s = None, 0.0, 0.04
    while last is None or loop:
        with _open(path) as container:
            stream = container.streams.video[0]
            period_s = float(1 / stream.average_rate) if stream.average_rate else period_s
            start_s = _start_s(container)
            for frame in _until_broken(container.decode(stream)):
                if isinstance(frame, av.VideoFrame) and frame.time is not None:
                    last, last_s = smaller(frame, max_height), offset_s + frame.time - start_s
                    yield _at(last, last_s)
            offset_s += _duration_s(container)
        if last is None:
            return
    for repeat in range(VIDEO_TAIL_FRAMES):
        again = av.VideoFrame.from_ndarray(last.to_ndarray(), format="yuv420p")
        yield _at(again, last_s + (repeat + 1) * period_s)


def _file_audio(path: str, loop: bool) -> Iterator[Frame]:
    packets = _Packets()
    offset_s = 0.0
    while packets.empty or loop:
        with _open(path) as container:
            stream = container.streams.audio[0]
            start_s = _start_s(container)
            first = True
            for frame in _until_broken(container.decode(stream)):
                if not isinstance(frame, av.AudioFrame):
                    continue
                if first:
                    first = False
                    packets.move_to(offset_s + max(0.0, (frame.time or 0.0) - start_s))
                yield from packets.of(frame)
            offset_s += _duration_s(container)
        if first:
            return
    yield from packets.rest()
    for _ in range(AUDIO_TAIL_PACKETS):
        yield packets.silence()


def _until_broken(frames: Iterator[Frame]) -> Iterator[Frame]:
    """A file that is damaged at some place ends there."""
    with contextlib.suppress(av.FFmpegError):
        yield from frames


def _start_s(container: InputContainer) -> float:
    """When the earliest stream of the file begins, on the file's own clock."""
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in container.streams
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=0.0)


def _duration_s(container: InputContainer) -> float:
    return (container.duration or 0) / av.time_base


class _Packets:
    """Sound of any shape into packets of 20 ms, 48 kHz, stereo, counted in samples."""

    def __init__(self) -> None:
        self.empty = True
        self._samples = 0
        self._resampler = self._new_resampler()

    def move_to(self, at_s: float) -> None:
        """What comes next belongs at `at_s`, or right behind what was, whichever is later."""
        self._samples = max(self._samples, round(at_s * SAMPLE_RATE_HZ))

    def of(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        for packet in self._resampler.resample(frame):
            yield self._stamped(packet)

    def rest(self) -> Iterator[av.AudioFrame]:
        yield from self.of(None)
        self._resampler = self._new_resampler()

    def silence(self) -> av.AudioFrame:
        quiet = np.zeros((1, 2 * PACKET_SAMPLES), dtype=np.int16)
        return self._stamped(av.AudioFrame.from_ndarray(quiet, format="s16", layout="stereo"))

    def _stamped(self, packet: av.AudioFrame) -> av.AudioFrame:
        self.empty = False
        packet.pts, packet.sample_rate = self._samples, SAMPLE_RATE_HZ
        packet.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        self._samples += packet.samples
        return packet

    @staticmethod
    def _new_resampler() -> av.AudioResampler:
        return av.AudioResampler("s16", "stereo", SAMPLE_RATE_HZ, frame_size=PACKET_SAMPLES)


def _pattern_video(frames: int | None) -> Iterator[Frame]:
    number = 0
    while frames is None or number < frames + VIDEO_TAIL_FRAMES:
        shown = number if frames is None else min(number, frames - 1)
        frame = av.VideoFrame.from_ndarray(pattern.picture(shown), format="rgb24")
        yield _at(smaller(frame, None), number / pattern.FRAMES_PER_SECOND)
        number += 1


def _pattern_audio(packets: int | None) -> Iterator[Frame]:
    number = 0
    while packets is None or number < packets + AUDIO_TAIL_PACKETS:
        samples = pattern.sound(number)
        if packets is not None and number >= packets:
            samples = np.zeros_like(samples)
        stereo = np.repeat(samples, 2)[None]
        frame = av.AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
        frame.pts, frame.sample_rate = number * PACKET_SAMPLES, SAMPLE_RATE_HZ
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        yield frame
        number += 1


def _device_video(container: InputContainer, max_height: int | None) -> Iterator[Frame]:
    first_s: float | None = None
    for frame in _device_frames(container, lambda: container.decode(video=0)):
        if isinstance(frame, av.VideoFrame) and frame.time is not None:
            first_s = frame.time if first_s is None else first_s
            yield _at(smaller(frame, max_height), frame.time - first_s)


def _device_audio(container: InputContainer) -> Iterator[Frame]:
    packets = _Packets()
    for frame in _device_frames(container, lambda: container.decode(audio=0)):
        if isinstance(frame, av.AudioFrame):
            yield from packets.of(frame)


def _device_frames(
    container: InputContainer, decode: Callable[[], Iterator[Frame]]
) -> Iterator[Frame]:
    """Frames until the device goes away. A device that has none yet is asked again."""
    with container:
        while True:
            try:
                yield from decode()
            except av.BlockingIOError:
                time.sleep(0.005)
                continue
            except av.FFmpegError:
                return
            return
