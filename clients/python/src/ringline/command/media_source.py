"""Opens what the options of a call name."""

from collections.abc import Sequence
from pathlib import Path

from aiortc.mediastreams import MediaStreamTrack

from ringline.command.media_options import DEVICE, NONE, TEST, MediaOptions
from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sinks import FileSink, NullSink, Sink
from ringline.media.sources import DeviceSource, FileSource, Source, TestSource


def open_media(
    options: MediaOptions, recording: Path | None, hosts: Sequence[str] | None
) -> MediaPeer:
    """Raise MediaUnavailable."""
    sink: Sink = NullSink() if recording is None else FileSink(recording)
    plan = MediaPlan(source=open_source(options), sink=sink, video=not options.voice)
    return MediaPeer(plan, host_addresses=hosts)


def open_source(options: MediaOptions) -> Source | None:
    """Raise MediaUnavailable."""
    sound = options.audio
    if options.voice:
        return _open(options, sound or options.video, "audio")
    if sound is None or sound == options.video:
        return _open(options, options.video, "video")
    return MixedSource(_open(options, sound, "audio"), _open(options, options.video, "video"))


def _open(options: MediaOptions, word: str, device: str) -> Source | None:
    if word == NONE:
        return None
    if word == TEST:
        return TestSource()
    if word.startswith(DEVICE):
        name = word.removeprefix(DEVICE)
        if device == "audio":
            return DeviceSource(audio=name)
        return DeviceSource(video=name, max_height=options.max_height)
    return FileSource(word, max_height=options.max_height)


class MixedSource:
    """The sound of one source and the pictures of another."""

    def __init__(self, audio: Source | None, video: Source | None) -> None:
        self._sources = [source for source in (audio, video) if source is not None]
        self.audio: MediaStreamTrack | None = audio.audio if audio is not None else None
        self.video: MediaStreamTrack | None = video.video if video is not None else None

    async def close(self) -> None:
        for source in self._sources:
            await source.close()
