"""One published sound or picture, as the call sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ringline.protocol.sfu import Track, TrackKind, TrackSource

KIND_OF_SOURCE: Final[Mapping[TrackSource, TrackKind]] = {
    TrackSource.MICROPHONE: TrackKind.AUDIO,
    TrackSource.SCREEN_AUDIO: TrackKind.AUDIO,
    TrackSource.CAMERA: TrackKind.VIDEO,
    TrackSource.SCREEN: TrackKind.VIDEO,
}
_SCREEN: Final = frozenset({TrackSource.SCREEN, TrackSource.SCREEN_AUDIO})


@dataclass(slots=True, eq=False)
class PublishedTrack:
    id: str
    participant: str
    mid: str
    """In the publisher's descriptions."""
    source: TrackSource
    muted: bool

    @property
    def kind(self) -> TrackKind:
        return KIND_OF_SOURCE[self.source]

    @property
    def stream(self) -> str:
        """Tracks of one stream are played in step: voice with face, sound with screen."""
        return f"{self.participant}-screen" if self.source in _SCREEN else self.participant

    def describe(self) -> Track:
        return Track(track=self.id, kind=self.kind, source=self.source, muted=self.muted)
