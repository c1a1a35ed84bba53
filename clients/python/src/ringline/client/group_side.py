"""A group call as this device knows it, sans-IO: who is there, and what they send.

Frames of the SFU in; what changed out. Each (re)joining brings the whole state, so that whatever was
missed between is made good by comparing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from msgspec.structs import replace as with_changes

from ringline.protocol import sfu
from ringline.protocol.sfu import LeaveReason, Participant, ParticipantId, Track, TrackId


@dataclass(frozen=True, slots=True)
class Came:
    participant: Participant


@dataclass(frozen=True, slots=True)
class Went:
    participant: Participant
    reason: LeaveReason


@dataclass(frozen=True, slots=True)
class Published:
    participant: Participant
    track: Track


@dataclass(frozen=True, slots=True)
class Unpublished:
    participant: Participant
    track: Track


@dataclass(frozen=True, slots=True)
class Muted:
    participant: Participant
    track: Track
    """As it is now."""


Change = Came | Went | Published | Unpublished | Muted


class GroupSide:
    def __init__(self, call: UUID) -> None:
        self.call = call
        self.own: ParticipantId | None = None
        """None: not in the call (now)."""
        self.resume_secret: str | None = None
        self.participants: dict[ParticipantId, Participant] = {}
        """The others."""

    def joined(self, frame: sfu.Joined) -> list[Change]:
        """In the call, for the first time or again."""
        self.own, self.resume_secret = frame.participant, frame.resume_secret
        now = {
            each.participant: each for each in frame.participants if each.participant != self.own
        }
        changes: list[Change] = []
        for known in list(self.participants.values()):
            if known.participant not in now:
                changes += self._left(known.participant, LeaveReason.LEFT)
        for each in now.values():
            changes += self._compare(each)
        return changes

    def _compare(self, now: Participant) -> Iterator[Change]:
        if now.participant not in self.participants:
            self.participants[now.participant] = with_changes(now, tracks=[])
            yield Came(self.participants[now.participant])
        tracks = {each.track: each for each in now.tracks}
        for known in list(self.participants[now.participant].tracks):
            if known.track not in tracks:
                yield from self._track_ended(now.participant, known.track)
        for track in now.tracks:
            yield from self._track(now.participant, track)

    def frame(self, frame: sfu.AnySfuServerFrame) -> list[Change]:
        match frame:
            case sfu.ParticipantJoined():
                return list(self._compare(frame.participant))
            case sfu.ParticipantLeft():
                return list(self._left(frame.participant, frame.reason))
            case sfu.TrackPublished():
                return list(self._track(frame.participant, frame.track))
            case sfu.TrackEnded():
                return list(self._track_ended(frame.participant, frame.track))
            case sfu.TrackMuted():
                return list(self._muted(frame))
        return []

    def tracks(self) -> dict[TrackId, tuple[Participant, Track]]:
        """Everything that the others send."""
        return {
            track.track: (each, track)
            for each in self.participants.values()
            for track in each.tracks
        }

    def _left(self, participant: ParticipantId, reason: LeaveReason) -> Iterator[Change]:
        known = self.participants.get(participant)
        if known is None:
            return
        for track in known.tracks:
            yield from self._track_ended(participant, track.track)
        yield Went(self.participants.pop(participant), reason)

    def _track(self, participant: ParticipantId, track: Track) -> Iterator[Change]:
        known = self.participants.get(participant)
        if known is None:
            return
        held = next((each for each in known.tracks if each.track == track.track), None)
        others = [each for each in known.tracks if each.track != track.track]
        now = self.participants[participant] = with_changes(known, tracks=[*others, track])
        if held is None:
            yield Published(now, track)
        elif held.muted != track.muted:
            yield Muted(now, track)

    def _track_ended(self, participant: ParticipantId, track: TrackId) -> Iterator[Change]:
        known = self.participants.get(participant)
        held = next((each for each in known.tracks if each.track == track), None) if known else None
        if known is None or held is None:
            return
        others = [each for each in known.tracks if each.track != track]
        now = self.participants[participant] = with_changes(known, tracks=others)
        yield Unpublished(now, held)

    def _muted(self, frame: sfu.TrackMuted) -> Iterator[Change]:
        known = self.participants.get(frame.participant)
        held = (
            next((each for each in known.tracks if each.track == frame.track), None)
            if known
            else None
        )
        if held is not None:
            yield from self._track(frame.participant, with_changes(held, muted=frame.muted))
