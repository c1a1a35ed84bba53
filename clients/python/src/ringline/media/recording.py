"""Received sound and pictures as a Matroska file: FFV1 and FLAC, both lossless and free to use.

Blocking; `sinks.FileSink` runs it on a thread. What was lost on the way shows as it was: a gap in
the pictures' times, silence in the sound.
"""

import fractions
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from ringline.media.errors import MediaUnavailable

Frame = av.AudioFrame | av.VideoFrame

SAMPLE_RATE_HZ: Final = 48_000
HELD_FRAMES_MAX: Final = 300
"""Frames of one kind that wait for the first of the other, before the file is begun without it."""
GAP_S_MAX: Final = 10.0
"""A longer jump of the sender's clock is not filled but closed up."""
_CLOCK = fractions.Fraction(1, 90_000)
_FFV1 = {"level": "3", "coder": "0", "context": "0", "slices": "4"}


class Recorder:
    """One file. `write` in the order of arrival, then `close`. Raise OSError when the disk fails."""

    def __init__(self, path: Path | str, *, audio: bool, video: bool) -> None:
        try:
            # Our own: PyAV would open it at the first packet only, too late to tell anybody.
            self._file = Path(path).open("wb")  # noqa: SIM115 (closed by `close`)
        except OSError as error:
            raise MediaUnavailable(f"{path} cannot be written: {error.strerror}") from None
        self._container = av.open(self._file, "w", format="matroska")
        self._missing = {kind for kind, wanted in (("a", audio), ("v", video)) if wanted}
        self._held: list[tuple[Frame, float]] = []
        self._audio: _AudioTrack | None = None
        self._video: _VideoTrack | None = None
        self._begun = False
        self.frames_written = 0

    def write(self, frame: Frame, arrival_s: float) -> None:
        """`arrival_s`: when it came, on any clock; aligns the two kinds at their first frames."""
        if self._begun:
            self._put(frame, arrival_s)
            return
        self._held.append((frame, arrival_s))
        self._missing.discard("a" if isinstance(frame, av.AudioFrame) else "v")
        if not self._missing or len(self._held) >= HELD_FRAMES_MAX:
            self._begin()

    def close(self) -> None:
        """Write what is left; the file is whole after this. Empty if nothing ever came."""
        try:
            if not self._begun and self._held:
                self._begin()
            for track in (self._audio, self._video):
                if track is not None:
                    self._container.mux(track.stream.encode(None))
        finally:
            try:
                self._container.close()
            finally:
                self._file.close()

    def _begin(self) -> None:
        origin_s = self._held[0][1]
        for frame, arrival_s in self._held:
            if isinstance(frame, av.AudioFrame) and self._audio is None:
                stream = self._container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="stereo")
                self._audio = _AudioTrack(stream, arrival_s - origin_s)
            elif isinstance(frame, av.VideoFrame) and self._video is None:
                lossless = self._container.add_stream("ffv1", options=_FFV1)
                self._video = _VideoTrack(lossless, frame, arrival_s - origin_s)
        self._begun = True
        held, self._held = self._held, []
        for frame, arrival_s in held:
            self._put(frame, arrival_s)

    def _put(self, frame: Frame, _arrival_s: float) -> None:
        if isinstance(frame, av.VideoFrame):
            if self._video is not None:
                self._mux(self._video.stream, self._video.fitted(frame))
        elif self._audio is not None:
            self._mux(self._audio.stream, self._audio.fitted(frame))

    def _mux(self, stream: AudioStream | VideoStream, frames: Iterator[Frame]) -> None:
        for frame in frames:
            self._container.mux(stream.encode(frame))  # type: ignore[arg-type]
            self.frames_written += 1


class _VideoTrack:
    """Pictures of the first one's size, with times that only rise."""

    def __init__(self, stream: VideoStream, first: av.VideoFrame, starts_at_s: float) -> None:
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        stream.codec_context.time_base = _CLOCK
        stream.codec_context.thread_count = 1
        self.stream = stream
        self._line = _Timeline(round(starts_at_s / _CLOCK), round(GAP_S_MAX / _CLOCK))

    def fitted(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        at = self._line.place(round((frame.time or 0.0) / _CLOCK))
        if at <= self._line.last:
            return
        self._line.last = at
        fitted = frame.reformat(self.stream.width, self.stream.height, "yuv420p")
        fitted.pts, fitted.time_base = at, _CLOCK
        fitted.pict_type = av.video.frame.PictureType.NONE
        yield fitted


class _AudioTrack:
    """Sound without holes: what is missing is silence."""

    def __init__(self, stream: AudioStream, starts_at_s: float) -> None:
        self.stream = stream
        self._resampler = av.AudioResampler("s16", "stereo", SAMPLE_RATE_HZ)
        start = round(starts_at_s * SAMPLE_RATE_HZ)
        self._line = _Timeline(start, round(GAP_S_MAX * SAMPLE_RATE_HZ))
        self._next = 0

    def fitted(self, frame: av.AudioFrame) -> Iterator[av.AudioFrame]:
        at = self._line.place(round((frame.time or 0.0) * SAMPLE_RATE_HZ))
        if at < self._line.last:
            return
        if at > self._next:
            yield self._stamped(_silence(at - self._next))
        for piece in self._resampler.resample(frame):
            yield self._stamped(piece)
        self._line.last = self._next

    def _stamped(self, frame: av.AudioFrame) -> av.AudioFrame:
        frame.pts, frame.time_base = self._next, fractions.Fraction(1, SAMPLE_RATE_HZ)
        self._next += frame.samples
        return frame


class _Timeline:
    """The sender's times, from 0 at its first frame, on the file's; in the track's own ticks."""

    def __init__(self, start: int, gap_max: int) -> None:
        self._shift: int | None = None
        self._start = start
        self._gap_max = gap_max
        self.last = -1

    def place(self, at: int) -> int:
        if self._shift is None:
            self._shift = self._start - at
        if at + self._shift - self.last > self._gap_max and self.last >= 0:
            self._shift = self.last + 1 - at
        return at + self._shift


def _silence(samples: int) -> av.AudioFrame:
    quiet = np.zeros((1, 2 * samples), dtype=np.int16)
    frame = av.AudioFrame.from_ndarray(quiet, format="s16", layout="stereo")
    frame.sample_rate = SAMPLE_RATE_HZ
    return frame
