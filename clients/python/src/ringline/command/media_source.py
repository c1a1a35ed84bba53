"""Opens what the options of a call name."""

from collections.abc import Sequence
from pathlib import Path

from aiortc.mediastreams import MediaStreamTrack

from ringline.command.media_words import DEVICE, NONE, TEST
from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sinks import FileSink, NullSink, Sink
from ringline.media.sources import DeviceSource, FileSource, Source, TestSource


def open_media(
    source: Source | None,
    recording: Path | None,
    hosts: Sequence[str] | None,
    *,
    voice: bool,
    relay_only: bool = False,
) -> MediaPeer:
    """`hosts`, `relay_only`: as of MediaPeer."""
    sink: Sink = NullSink() if recording is None else FileSink(recording)
    plan = MediaPlan(source=source, sink=sink, video=not voice)
    return MediaPeer(plan, host_addresses=hosts, relay_only=relay_only)


def open_source(
    video: str, audio: str | None, *, voice: bool, max_height: int | None
) -> Source | None:
    """None: nothing is sent. Raise MediaUnavailable."""
    if voice:
        return _open_audio(audio or video)
    if audio is None or audio == video:
        return _open_video(video, max_height)
    return MixedSource(_open_audio(audio), _open_video(video, max_height))


def _open_audio(word: str) -> Source | None:
    if word.startswith(DEVICE):
        return DeviceSource(audio=word.removeprefix(DEVICE))
    return _open_video(word, None)


def _open_video(word: str, max_height: int | None) -> Source | None:
    if word == NONE:
        return None
    if word == TEST:
        return TestSource()
    if word.startswith(DEVICE):
        return DeviceSource(video=word.removeprefix(DEVICE), max_height=max_height)
    return FileSource(word, max_height=max_height)


class MixedSource:
    """The sound of one source and the pictures of another."""

    def __init__(self, audio: Source | None, video: Source | None) -> None:
        self._sources = [source for source in (audio, video) if source is not None]
        self.audio: MediaStreamTrack | None = audio.audio if audio is not None else None
        self.video: MediaStreamTrack | None = video.video if video is not None else None

    async def close(self) -> None:
        for source in self._sources:
            await source.close()
