"""Who is in one call, and what they are told of each other. Sans-IO."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from ringline.protocol.sfu import (
    AnySfuServerFrame,
    LeaveReason,
    ParticipantJoined,
    ParticipantLeft,
    TrackEnded,
    TrackMuted,
    TrackPublished,
)
from ringline.protocol.types import Address
from sfu.participant import Participant
from sfu.track import PublishedTrack

ENDED_TRACKS_MAX: Final = 1024
"""Remembered, so that an offer that crossed the news of an end is not taken for a mistake."""


class Call:
    def __init__(self, id: UUID, now_s: float) -> None:  # noqa: A002
        self.id = id
        self.participants: dict[str, Participant] = {}
        self.tracks: dict[str, PublishedTrack] = {}
        self.empty_since_s: float | None = now_s
        self._ended: OrderedDict[str, None] = OrderedDict()

    def of_device(self, device: Address) -> Participant | None:
        return next((known for known in self.participants.values() if known.device == device), None)

    def others(self, than: Participant) -> Iterator[Participant]:
        return (other for other in self.participants.values() if other is not than)

    def enter(self, participant: Participant) -> None:
        self.participants[participant.id] = participant
        self.empty_since_s = None
        self._tell_others(participant, ParticipantJoined(participant=participant.describe()))

    def exit(self, participant: Participant, reason: LeaveReason, now_s: float) -> None:
        for track in participant.tracks.values():
            self._forget(track)
        participant.tracks.clear()
        del self.participants[participant.id]
        self._tell_others(participant, ParticipantLeft(participant=participant.id, reason=reason))
        if not self.participants:
            self.empty_since_s = now_s

    def add_track(self, participant: Participant, track: PublishedTrack) -> None:
        participant.tracks[track.mid] = track
        self.tracks[track.id] = track
        frame = TrackPublished(participant=participant.id, track=track.describe())
        self._tell_others(participant, frame)

    def end_track(self, participant: Participant, track: PublishedTrack) -> None:
        del participant.tracks[track.mid]
        self._forget(track)
        frame = TrackEnded(participant=participant.id, track=track.id)
        self._tell_others(participant, frame)

    def mute(self, participant: Participant, track: PublishedTrack, muted: bool) -> bool:
        """Whether that changed anything."""
        if track.muted == muted:
            return False
        track.muted = muted
        frame = TrackMuted(participant=participant.id, track=track.id, muted=muted)
        self._tell_others(participant, frame)
        return True

    def has_ended(self, track: str) -> bool:
        return track in self._ended

    def _forget(self, track: PublishedTrack) -> None:
        del self.tracks[track.id]
        self._ended[track.id] = None
        if len(self._ended) > ENDED_TRACKS_MAX:
            self._ended.popitem(last=False)

    def _tell_others(self, participant: Participant, frame: AnySfuServerFrame) -> None:
        for other in list(self.others(participant)):
            other.tell(frame)
