"""Every way that a stay, a track and a subscription begins and ends."""

from uuid import uuid4

import msgspec
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.sfu import (
    Joined,
    LeaveReason,
    MediaConnected,
    ParticipantJoined,
    ParticipantLeft,
    Publication,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackSource,
)
from sfu.calls import EMPTY_CALL_KEPT_S
from sfu.errors import Refused
from sfu.settings import SfuSettings
from tests.unit.sfu.offers import VP8, section
from tests.unit.sfu.stage import CAMERA, MICROPHONE, CallsStage, Person
from tests.unit.sfu.stand_ins import WrittenOutlet

CALL = uuid4()


@pytest.fixture
def stage() -> CallsStage:
    return CallsStage()


def published(stage: CallsStage, person: Person, ssrc: int = 7) -> str:
    """A camera."""
    answer = stage.offer(person, [section("0", ssrc=ssrc)], {"0": CAMERA})
    return answer.published["0"]


def watching(stage: CallsStage, person: Person, track: str) -> dict[str, str]:
    answer = stage.offer(person, [section("v", direction="recvonly")], {}, {"v": track})
    return answer.subscribed


def refused(stage: CallsStage, person: Person, *what: object) -> str:
    with pytest.raises(Refused) as caught:
        stage.offer(person, *what)  # type: ignore[arg-type] # whatever the test gives
    assert caught.value.problem.status == 422
    return caught.value.problem.detail or ""


def test_those_who_come_hear_of_those_who_are_there(stage: CallsStage) -> None:
    ann = stage.join(CALL, name="Ann")
    track = published(stage, ann)
    ben = stage.join(CALL, name="Ben")
    assert [(who.name, [t.track for t in who.tracks]) for who in ben.joined.participants] == [
        ("Ann", [track])
    ]
    (told,) = ann.outlet.take()
    assert isinstance(told, ParticipantJoined)
    assert (told.participant.name, told.participant.tracks) == ("Ben", [])
    stage.calls.leave(ben.stay)
    assert ann.outlet.take() == [
        ParticipantLeft(participant=ben.joined.participant, reason=LeaveReason.LEFT)
    ]
    assert ben.outlet.code == 1000


def test_media_flows_when_both_are_connected(stage: CallsStage) -> None:
    ann, ben = stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    assert watching(stage, ben, track) == {"v": track}
    assert (stage.plane.producers, stage.plane.routes) == ({}, {})
    stage.connect(ann)
    assert list(stage.plane.producers.values()) == [(ann.stay.peer, 7)]
    assert stage.plane.routes == {}
    stage.connect(ben)
    ((_, route),) = stage.plane.routes.values()
    assert (route.peer, dict(route.payload_types), route.mid) == (ben.stay.peer, {96: 96}, b"v")
    assert route.mid_extension == 4
    assert MediaConnected() in ben.outlet.take()


def test_the_subscribers_payload_type_and_codec(stage: CallsStage) -> None:
    ann, ben, cat = stage.join(CALL), stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    stage.connect(ann)
    other = ("120", ["a=rtpmap:120 VP8/90000"])
    h264 = ("102", ["a=rtpmap:102 H264/90000"])
    answer = stage.offer(
        ben, [section("0", direction="recvonly", codecs=[h264, other])], {}, {"0": track}
    )
    stage.connect(ben)
    ((_, route),) = stage.plane.routes.values()
    assert dict(route.payload_types) == {96: 120}
    assert "a=rtpmap:120 VP8/90000" in answer.sdp
    assert "H264" not in answer.sdp
    answer = stage.offer(cat, [section("0", direction="recvonly", codecs=[h264])], {}, {"0": track})
    assert answer.subscribed == {}
    assert "a=inactive" in answer.sdp


def test_streams_that_the_offer_did_not_name(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    sections = [section("0", "audio"), section("1"), section("2")]
    screen = Publication(TrackSource.SCREEN)
    stage.offer(ann, sections, {"0": MICROPHONE, "1": CAMERA, "2": screen})
    stage.connect(ann)
    peer = ann.stay.peer
    stage.calls.on_unknown_stream(peer, 50, b"", 111)
    assert set(stage.plane.producers.values()) == {(peer, 50)}
    stage.calls.on_unknown_stream(peer, 51, b"", 96)  # two have that payload type
    stage.calls.on_unknown_stream(peer, 51, b"9", 96)
    assert len(stage.plane.producers) == 1
    stage.calls.on_unknown_stream(peer, 51, b"2", 96)
    stage.calls.on_unknown_stream(peer, 52, b"2", 96)  # it has one
    stage.calls.on_unknown_stream(peer, 53, b"", 96)
    assert set(stage.plane.producers.values()) == {(peer, 50), (peer, 51), (peer, 53)}


def test_muted_tracks_are_paused_and_one_is_told_once(stage: CallsStage) -> None:
    ann, ben = stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    stage.connect(ann)
    ben.outlet.take()
    stage.calls.mute(ann.stay, track, True)
    stage.calls.mute(ann.stay, track, True)
    assert ben.outlet.take() == [
        TrackMuted(participant=ann.joined.participant, track=track, muted=True)
    ]
    assert len(stage.plane.paused) == 1
    answer = stage.offer(ann, [section("0", ssrc=7)], {"0": CAMERA})
    assert answer.published == {"0": track}
    assert not stage.plane.paused
    with pytest.raises(Refused):
        stage.calls.mute(ben.stay, track, True)


def test_one_begins_muted(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    stage.offer(ann, [section("0", ssrc=7)], {"0": Publication(TrackSource.CAMERA, muted=True)})
    stage.connect(ann)
    assert len(stage.plane.paused) == 1


@pytest.mark.parametrize(
    ("sections", "publish"),
    [
        ([section("0", ssrc=7)], {}),
        ([section("0", direction="inactive")], {}),
        ([section("0", ssrc=7), section("1")], {"1": Publication(TrackSource.SCREEN)}),
        ([section("0", ssrc=8)], {"0": CAMERA}),
        ([section("0", ssrc=7)], {"0": Publication(TrackSource.SCREEN)}),
    ],
)
def test_tracks_end_when_the_offer_says_so(
    stage: CallsStage, sections: list[list[str]], publish: dict[str, Publication]
) -> None:
    ann, ben = stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    watching(stage, ben, track)
    stage.connect(ann)
    stage.connect(ben)
    ben.outlet.take()
    answer = stage.offer(ann, sections, publish)
    assert ben.outlet.take()[0] == TrackEnded(participant=ann.joined.participant, track=track)
    assert track not in answer.published.values()
    assert len(stage.plane.routes) == 0
    # An offer that crossed the news is answered; the track is missing.
    assert watching(stage, ben, track) == {}


def test_a_subscription_may_change_and_end(stage: CallsStage) -> None:
    ann, ben = stage.join(CALL), stage.join(CALL)
    sections = [section("0", ssrc=7), section("1", ssrc=8)]
    screen = Publication(TrackSource.SCREEN)
    tracks = stage.offer(ann, sections, {"0": CAMERA, "1": screen}).published
    stage.connect(ann)
    watching(stage, ben, tracks["0"])
    stage.connect(ben)
    (first,) = stage.plane.routes
    assert watching(stage, ben, tracks["0"]) == {"v": tracks["0"]}
    assert list(stage.plane.routes) == [first]
    assert watching(stage, ben, tracks["1"]) == {"v": tracks["1"]}
    assert len(stage.plane.routes) == 1
    assert first not in stage.plane.routes
    stage.offer(ben, [section("v", direction="inactive")])
    assert stage.plane.routes == {}


def test_what_does_not_fit_changes_nothing(stage: CallsStage) -> None:
    ann, ben = stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    video, sound = section("0", ssrc=9), section("1", "audio", direction="recvonly")
    four = [section(str(n), ssrc=n + 1) for n in range(5)]
    assert "does not send" in refused(stage, ben, [sound], {"1": MICROPHONE})
    assert "its source is not" in refused(stage, ben, [video], {"0": MICROPHONE})
    assert "no media section" in refused(stage, ben, [video], {"9": CAMERA})
    assert "more than 4" in refused(stage, ben, four, dict.fromkeys("01234", CAMERA))
    assert "same SSRC" in refused(
        stage, ben, [video, section("2", ssrc=9)], {"0": CAMERA, "2": CAMERA}
    )
    assert "no such track" in refused(stage, ben, [video], {}, {"0": "nothing"})
    assert "track is not" in refused(stage, ben, [video, sound], {}, {"1": track})
    assert "no media section" in refused(stage, ben, [video], {}, {"9": track})
    two = [section("a", direction="recvonly"), section("b", direction="recvonly")]
    assert "a section already" in refused(stage, ben, two, {}, {"a": track, "b": track})
    assert "in publish" in refused(stage, ben, [video], {"0": CAMERA}, {"0": track})
    assert "one's own" in refused(
        stage, ann, [section("0", ssrc=7), two[0]], {"0": CAMERA}, {"a": track}
    )
    pcmu = ("0", ["a=rtpmap:0 PCMU/8000"])
    silent = section("0", "audio", codecs=[pcmu])
    assert "no codec" in refused(stage, ben, [silent], {"0": MICROPHONE})
    assert "has a codec" in refused(stage, ben, [silent])
    assert stage.transports.open_peers == {ann.stay.peer}
    assert published(stage, ann) == track


def test_sections_of_other_kinds_are_rejected(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    data = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:d"]
    answer = stage.offer(ann, [section("0", ssrc=7), data], {"0": CAMERA})
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel" in answer.sdp
    assert "a=group:BUNDLE 0\r\n" in answer.sdp


def test_the_codec_in_use_stays(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    h264 = ("102", ["a=rtpmap:102 H264/90000"])
    first = stage.offer(ann, [section("0", ssrc=7, codecs=[VP8, h264])], {"0": CAMERA})
    again = stage.offer(ann, [section("0", ssrc=7, codecs=[h264, VP8])], {"0": CAMERA})
    assert again.published == first.published
    assert "VP8" in again.sdp


def test_an_ice_restart_and_a_changed_fingerprint(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    published(stage, ann)
    assert stage.transports.restarted == []
    lines = [line.replace("abcd", "efgh") for line in section("0", ssrc=7)]
    answer = stage.offer(ann, [lines], {"0": CAMERA})
    assert stage.transports.restarted == [ann.stay.peer]
    assert "a=ice-ufrag:ours2" in answer.sdp
    changed = [line.replace("AB:AB", "AB:EF") for line in lines]
    assert "fingerprint has changed" in refused(stage, ann, [changed], {"0": CAMERA})


def test_no_room_for_transports(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    stage.transports.full = True
    with pytest.raises(Refused) as caught:
        published(stage, ann)
    assert (caught.value.problem.status, caught.value.problem.retry_after_s) == (503, 2)
    stage.transports.full = False
    published(stage, ann)


def test_offers_are_rate_limited() -> None:
    stage = CallsStage(SfuSettings(offers_burst=2, offers_per_s=1))
    ann = stage.join(CALL)
    published(stage, ann)
    published(stage, ann)
    with pytest.raises(Refused) as caught:
        published(stage, ann)
    assert (caught.value.problem.status, caught.value.problem.retry_after_s) == (429, 1)
    stage.now += 1
    published(stage, ann)
    assert stage.calls.counts["offer-rate-limited"] == 1


def test_a_stay_waits_for_its_connection(stage: CallsStage) -> None:
    ann, ben = stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    stage.calls.lost(ann.stay, ann.outlet)
    stage.now += 29
    stage.calls.expire()
    again = WrittenOutlet()
    assert stage.calls.resume("wrong" * 8, 1, again) is None
    assert stage.calls.resume(ann.joined.resume_secret, 3, again) is ann.stay
    (joined,) = again.take()
    assert isinstance(joined, Joined)
    assert (joined.ref, joined.resumed) == (3, True)
    own = joined.participants[-1]
    assert (own.participant, own.tracks[0].track) == (ann.joined.participant, track)
    assert stage.calls.resume(ann.joined.resume_secret, 4, WrittenOutlet()) is None
    stage.calls.lost(ann.stay, ann.outlet)  # the old connection's end comes late
    stage.now += 31
    stage.calls.expire()
    assert len(stage.calls) == 2
    stage.calls.lost(ann.stay, again)
    stage.now += 30
    stage.calls.expire()
    assert len(stage.calls) == 1
    left = ben.outlet.take()[-1]
    assert isinstance(left, ParticipantLeft)
    assert left.reason is LeaveReason.SILENT
    assert stage.calls.resume(joined.resume_secret, 5, WrittenOutlet()) is None
    assert stage.transports.open_peers == set()


def test_resuming_while_the_older_connection_is_open_closes_that(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    again = WrittenOutlet()
    stage.calls.resume(ann.joined.resume_secret, 1, again)
    assert ann.outlet.code == CloseCode.REPLACED
    stage.calls.lost(ann.stay, ann.outlet)
    stage.now += 100
    stage.calls.expire()
    assert len(stage.calls) == 1


@pytest.mark.parametrize(
    ("ended", "reason"),
    [("failed", LeaveReason.FAILED), ("silent", LeaveReason.SILENT), ("closed", LeaveReason.LEFT)],
)
def test_a_stay_ends_with_its_media(stage: CallsStage, ended: str, reason: LeaveReason) -> None:
    """S15."""
    ann, ben = stage.join(CALL), stage.join(CALL)
    track = published(stage, ann)
    watching(stage, ben, track)
    stage.connect(ann)
    stage.connect(ben)
    ben.outlet.take()
    stage.plane.remove_peer(ann.stay.peer)
    stage.calls.on_ended(ann.stay.peer, ended)
    assert ann.outlet.code == CloseCode.MEDIA_LOST
    assert ben.outlet.take() == [ParticipantLeft(participant=ann.joined.participant, reason=reason)]
    assert watching(stage, ben, track) == {}
    stage.calls.on_ended(ann.stay.peer, ended)
    with pytest.raises(Refused):
        published(stage, ann)


def test_the_same_device_replaces_itself_even_when_full() -> None:
    stage = CallsStage(SfuSettings(participants_per_call_max=2, participants_max=2))
    account = uuid4()
    old, ben = stage.join(CALL, account), stage.join(CALL)
    new = stage.join(CALL, account)
    assert old.outlet.code == CloseCode.REPLACED
    assert [type(frame) for frame in ben.outlet.take()] == [ParticipantLeft, ParticipantJoined]
    assert len(new.joined.participants) == 1
    assert stage.calls.resume(old.joined.resume_secret, 1, WrittenOutlet()) is None


@pytest.mark.parametrize(
    "limit", [{"participants_per_call_max": 2}, {"participants_max": 2}, {"calls_max": 1}]
)
def test_no_room(limit: dict[str, int]) -> None:
    stage = CallsStage(msgspec.structs.replace(SfuSettings(), **limit))
    stage.join(CALL)
    stage.join(CALL)
    other = uuid4() if "calls_max" in limit else CALL
    with pytest.raises(Refused) as caught:
        stage.join(other)
    assert caught.value.problem.status == 503
    assert stage.calls.counts["full"] == 1
    assert stage.calls.ids() == [CALL]


def test_members_are_removed_and_calls_end(stage: CallsStage) -> None:
    account = uuid4()
    ann, ben = stage.join(CALL), stage.join(CALL, account)
    elsewhere = stage.join(uuid4(), account)
    stage.calls.member_removed(CALL, account)
    assert (ben.outlet.code, elsewhere.outlet.code) == (CloseCode.REMOVED, None)
    stage.calls.call_ended(CALL)
    assert ann.outlet.code == CloseCode.CALL_ENDED
    assert stage.over == [CALL]
    stage.calls.call_elsewhere(elsewhere.joined.call)
    assert elsewhere.outlet.code == CloseCode.MEDIA_LOST
    assert (len(stage.calls), stage.calls.ids()) == (0, [])


def test_a_call_with_nobody_in_it_is_forgotten(stage: CallsStage) -> None:
    ann = stage.join(CALL)
    stage.calls.leave(ann.stay)
    stage.now += EMPTY_CALL_KEPT_S - 1
    stage.calls.expire()
    assert stage.over == []
    stage.now += 1
    stage.calls.expire()
    assert (stage.over, stage.calls.ids()) == ([CALL], [])


class CallMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order: everybody's view, fed by events alone, is the call's state,
    and the plane holds what follows from it."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = CallsStage(SfuSettings(offers_burst=1_000_000))
        self.people: list[Person] = []
        self.views: dict[Person, dict[str, dict[str, bool]]] = {}
        """Participant: its tracks, and whether each is muted."""
        self.connected: set[Person] = set()
        self.subscribed: dict[Person, str] = {}
        self.published: dict[Person, tuple[str, int]] = {}
        self.ssrcs = iter(range(1, 1_000_000))

    def pick(self, number: int) -> Person:
        return self.people[number % len(self.people)]

    def read(self) -> None:
        for person in self.people:
            view = self.views[person]
            for frame in person.outlet.take():
                match frame:
                    case ParticipantJoined():
                        view[frame.participant.participant] = {}
                    case ParticipantLeft():
                        del view[frame.participant]
                    case TrackPublished():
                        view[frame.participant][frame.track.track] = frame.track.muted
                    case TrackEnded():
                        del view[frame.participant][frame.track]
                    case TrackMuted():
                        view[frame.participant][frame.track] = frame.muted

    def gone(self, person: Person) -> None:
        self.people.remove(person)
        self.connected.discard(person)
        self.subscribed.pop(person, None)
        self.published.pop(person, None)

    @precondition(lambda self: len(self.people) < 5)
    @rule()
    def join(self) -> None:
        person = self.stage.join(CALL)
        self.people.append(person)
        self.views[person] = {
            who.participant: {track.track: track.muted for track in who.tracks}
            for who in person.joined.participants
        }

    @precondition(lambda self: self.people)
    @rule(number=st.integers(0, 9), how=st.sampled_from(["leave", "failed", "closed"]))
    def leave(self, number: int, how: str) -> None:
        person = self.pick(number)
        if how == "leave":
            self.stage.calls.leave(person.stay)
        else:
            self.stage.plane.remove_peer(person.stay.peer)
            self.stage.calls.on_ended(person.stay.peer, how)
        self.gone(person)

    @precondition(lambda self: self.people)
    @rule(
        number=st.integers(0, 9), publish=st.booleans(), anew=st.booleans(), wish=st.integers(0, 9)
    )
    def offers(self, number: int, publish: bool, anew: bool, wish: int) -> None:
        person = self.pick(number)
        tracks = [track for other, (track, _) in self.published.items() if other is not person]
        wanted = {"v": tracks[wish % len(tracks)]} if tracks and wish else {}
        known = self.published.get(person)
        ssrc = next(self.ssrcs) if anew or known is None else known[1]
        answer = self.stage.offer(
            person,
            [section("0", ssrc=ssrc), section("v", direction="recvonly")],
            {"0": CAMERA} if publish else {},
            wanted,
        )
        assert answer.subscribed == wanted
        if publish:
            self.published[person] = answer.published["0"], ssrc
        else:
            self.published.pop(person, None)
        self.subscribed.pop(person, None)
        if wanted:
            self.subscribed[person] = wanted["v"]

    @precondition(lambda self: self.people)
    @rule(number=st.integers(0, 9))
    def connects(self, number: int) -> None:
        person = self.pick(number)
        if person not in self.connected and person.stay.peer in self.stage.transports.open_peers:
            self.connected.add(person)
            self.stage.connect(person)

    @precondition(lambda self: self.published)
    @rule(number=st.integers(0, 9), muted=st.booleans())
    def mutes(self, number: int, muted: bool) -> None:
        owners = list(self.published)
        person = owners[number % len(owners)]
        self.stage.calls.mute(person.stay, self.published[person][0], muted)

    @precondition(lambda self: self.people)
    @rule(number=st.integers(0, 9))
    def resumes(self, number: int) -> None:
        person = self.pick(number)
        self.read()
        outlet = WrittenOutlet()
        assert self.stage.calls.resume(person.joined.resume_secret, 1, outlet) is person.stay
        person.outlet = outlet
        (joined,) = outlet.take()
        assert isinstance(joined, Joined)
        person.joined = joined
        others = [who for who in joined.participants if who.participant != joined.participant]
        told = {who.participant: {t.track: t.muted for t in who.tracks} for who in others}
        assert told == self.views[person]

    @invariant()
    def everybody_knows_everything(self) -> None:
        self.read()
        for person in self.people:
            assert self.views[person] == {
                other.joined.participant: {
                    track.id: track.muted for track in other.stay.tracks.values()
                }
                for other in self.people
                if other is not person
            }

    @invariant()
    def the_plane_follows(self) -> None:
        plane = self.stage.plane
        live = {
            (person.stay.peer, ssrc)
            for person, (_, ssrc) in self.published.items()
            if person in self.connected
        }
        assert set(plane.producers.values()) == live
        sources = {track: person for person, (track, _) in self.published.items()}
        wanted = {
            (sources[track].stay.peer, person.stay.peer)
            for person, track in self.subscribed.items()
            if track in sources and {person, sources[track]} <= self.connected
        }
        routed = [
            (plane.producers[producer][0], route.peer) for producer, route in plane.routes.values()
        ]
        assert len(routed) == len(set(routed))
        assert set(routed) == wanted


TestCallMachine = CallMachine.TestCase
TestCallMachine.settings = hypothesis_settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
