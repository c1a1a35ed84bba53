"""Where received media goes: a file, a callback, or nowhere.

A sink is called on the event loop, with decoded frames in the order of their arrival, and must
return at once: what takes time is queued for a thread, within a limit.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import av

from ringline.media.errors import MediaFailed
from ringline.media.recording import Frame, Recorder

QUEUE_FRAMES_MAX: Final = 150
"""Frames that wait for the disk: two seconds of a call, 70 MB at 1280×720. More are dropped."""
CLOSE_TIMEOUT_S: Final = 20.0


class Sink(Protocol):
    def expect(self, *, audio: bool, video: bool) -> None:
        """Called once, before any frame: what the other side will send."""

    def on_video(self, frame: av.VideoFrame) -> None: ...

    def on_audio(self, frame: av.AudioFrame) -> None: ...

    async def close(self) -> None: ...


class NullSink:
    """Counts, and keeps nothing."""

    def __init__(self) -> None:
        self.video_frames = 0
        self.audio_frames = 0

    def expect(self, *, audio: bool, video: bool) -> None:
        """Nothing to prepare."""

    def on_video(self, frame: av.VideoFrame) -> None:  # noqa: ARG002
        self.video_frames += 1

    def on_audio(self, frame: av.AudioFrame) -> None:  # noqa: ARG002
        self.audio_frames += 1

    async def close(self) -> None:
        """Nothing to end."""


class CallbackSink:
    """Gives every frame to a function. The function runs on the loop and must not block it."""

    def __init__(
        self,
        on_video: Callable[[av.VideoFrame], None] | None = None,
        on_audio: Callable[[av.AudioFrame], None] | None = None,
    ) -> None:
        self._on_video = on_video
        self._on_audio = on_audio

    def expect(self, *, audio: bool, video: bool) -> None:
        """Nothing to prepare."""

    def on_video(self, frame: av.VideoFrame) -> None:
        if self._on_video is not None:
            self._on_video(frame)

    def on_audio(self, frame: av.AudioFrame) -> None:
        if self._on_audio is not None:
            self._on_audio(frame)

    async def close(self) -> None:
        """Nothing to end."""


class FileSink:
    """Records to a Matroska file (see `recording`), on a thread of its own.

    A disk that is too slow costs frames (`frames_dropped`), never the call. `close` raises
    MediaFailed when the file could not be written. The file is begun with the call, not before.
    """

    def __init__(self, path: Path | str, queue_frames_max: int = QUEUE_FRAMES_MAX) -> None:
        self.path = Path(path)
        self.frames_dropped = 0
        self.frames_written = 0
        self._queue: queue.Queue[tuple[Frame, float] | None] = queue.Queue(queue_frames_max)
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def expect(self, *, audio: bool, video: bool) -> None:
        """Begin the file. Raise MediaUnavailable when the place cannot be written to."""
        if self._thread is not None:
            raise RuntimeError("a FileSink records one call")
        recorder = Recorder(self.path, audio=audio, video=video)
        self._thread = threading.Thread(
            target=self._record, args=(recorder,), name="recorder", daemon=True
        )
        self._thread.start()

    def on_video(self, frame: av.VideoFrame) -> None:
        self._offer(frame)

    def on_audio(self, frame: av.AudioFrame) -> None:
        self._offer(frame)

    async def close(self) -> None:
        """End the file, within 20 s. Raise MediaFailed when it is not whole."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._finish, thread)
        if self._error is not None:
            raise MediaFailed(f"{self.path} could not be written: {self._error}")

    def _offer(self, frame: Frame) -> None:
        try:
            self._queue.put_nowait((frame, time.monotonic()))
        except queue.Full:
            self.frames_dropped += 1

    def _finish(self, thread: threading.Thread) -> None:
        deadline_s = time.monotonic() + CLOSE_TIMEOUT_S
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_TIMEOUT_S)
        thread.join(max(0.0, deadline_s - time.monotonic()))
        if thread.is_alive():
            self._error = TimeoutError(f"the disk did not keep up within {CLOSE_TIMEOUT_S:.0f} s")

    def _record(self, recorder: Recorder) -> None:
        """The thread: until the end, and past an error without stopping the queue."""
        while (item := self._queue.get()) is not None:
            if self._error is None:
                self._guard(recorder.write, *item)
        self._guard(recorder.close)
        self.frames_written = recorder.frames_written

    def _guard(self, act: Callable[..., None], *arguments: object) -> None:
        try:
            act(*arguments)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._error = self._error or error
