import uuid
from typing import Any

import pytest

from ringline.client.group_side import (
    Came,
    Change,
    GroupSide,
    Muted,
    Published,
    Unpublished,
    Went,
)
from ringline.protocol import sfu
from ringline.protocol.sfu import LeaveReason, Participant, Track, TrackKind, TrackSource

CALL, ACCOUNT = uuid.UUID(int=7), uuid.UUID(int=1)


def track(name: str, *, muted: bool = False) -> Track:
    return Track(track=name, kind=TrackKind.VIDEO, source=TrackSource.CAMERA, muted=muted)


def person(name: str, *tracks: Track) -> Participant:
    return Participant(
        participant=name, account=ACCOUNT, device=1, name=name.upper(), tracks=list(tracks)
    )


def joined(*others: Participant, resumed: bool = False) -> sfu.Joined:
    return sfu.Joined(
        ref=1,
        call=CALL,
        participant="me",
        resume_secret="s" * 43,
        resumed=resumed,
        heartbeat_s=25,
        participants=list(others),
    )


def told(changes: list[Change]) -> list[tuple[Any, ...]]:
    """Kind, whose, and the track."""
    return [
        (type(each), each.participant.participant)
        + ((each.track.track,) if isinstance(each, Published | Unpublished | Muted) else ())
        for each in changes
    ]


@pytest.fixture
def side() -> GroupSide:
    side = GroupSide(CALL)
    side.joined(joined(person("bob", track("b1"))))
    return side


def test_joining_tells_of_all_who_are_there() -> None:
    side = GroupSide(CALL)
    changes = side.joined(joined(person("bob", track("b1"), track("b2")), person("cleo")))
    assert told(changes) == [
        (Came, "bob"),
        (Published, "bob", "b1"),
        (Published, "bob", "b2"),
        (Came, "cleo"),
    ]
    assert (side.own, side.resume_secret) == ("me", "s" * 43)
    assert set(side.tracks()) == {"b1", "b2"}


def test_oneself_is_not_among_the_others() -> None:
    side = GroupSide(CALL)
    assert side.joined(joined(person("me", track("m1")), resumed=True)) == []
    assert side.participants == {}


def test_what_was_missed_is_made_good(side: GroupSide) -> None:
    side.frame(sfu.ParticipantJoined(participant=person("cleo", track("c1"))))
    changes = side.joined(joined(person("bob", track("b2")), person("dora"), resumed=True))
    assert told(changes) == [
        (Unpublished, "cleo", "c1"),
        (Went, "cleo"),
        (Unpublished, "bob", "b1"),
        (Published, "bob", "b2"),
        (Came, "dora"),
    ]
    assert set(side.tracks()) == {"b2"}


def test_the_same_again_is_no_news(side: GroupSide) -> None:
    assert side.joined(joined(person("bob", track("b1")), resumed=True)) == []
    again = sfu.TrackPublished(participant="bob", track=track("b1"))
    assert side.frame(again) == []


def test_tracks_come_and_go(side: GroupSide) -> None:
    published = sfu.TrackPublished(participant="bob", track=track("b2"))
    assert told(side.frame(published)) == [(Published, "bob", "b2")]
    ended = sfu.TrackEnded(participant="bob", track="b1")
    assert told(side.frame(ended)) == [(Unpublished, "bob", "b1")]
    assert side.frame(ended) == []
    assert set(side.tracks()) == {"b2"}


def test_muting_and_back(side: GroupSide) -> None:
    frame = sfu.TrackMuted(participant="bob", track="b1", muted=True)
    [change] = side.frame(frame)
    assert isinstance(change, Muted)
    assert change.track.muted
    assert side.frame(frame) == []
    _, known = side.tracks()["b1"]
    assert known.muted
    [change] = side.frame(sfu.TrackMuted(participant="bob", track="b1", muted=False))
    assert isinstance(change, Muted)
    assert not change.track.muted


def test_mute_missed_while_away(side: GroupSide) -> None:
    changes = side.joined(joined(person("bob", track("b1", muted=True)), resumed=True))
    assert told(changes) == [(Muted, "bob", "b1")]


def test_who_leaves_takes_the_tracks_along(side: GroupSide) -> None:
    frame = sfu.ParticipantLeft(participant="bob", reason=LeaveReason.SILENT)
    changes = side.frame(frame)
    assert told(changes) == [(Unpublished, "bob", "b1"), (Went, "bob")]
    assert isinstance(changes[-1], Went)
    assert changes[-1].reason is LeaveReason.SILENT
    assert side.frame(frame) == []
    assert side.tracks() == {}


@pytest.mark.parametrize(
    "frame",
    [
        sfu.TrackPublished(participant="nobody", track=track("x")),
        sfu.TrackEnded(participant="nobody", track="x"),
        sfu.TrackEnded(participant="bob", track="x"),
        sfu.TrackMuted(participant="nobody", track="x", muted=True),
        sfu.TrackMuted(participant="bob", track="x", muted=True),
        sfu.MediaConnected(),
        sfu.Pong(ref=1),
    ],
)
def test_what_is_about_nobody_known_changes_nothing(
    side: GroupSide, frame: sfu.AnySfuServerFrame
) -> None:
    assert side.frame(frame) == []
    assert set(side.tracks()) == {"b1"}
