"""What becomes of RTCP, with a manual clock."""

from uuid import uuid4

import pytest

from ringline.protocol.sfu import TrackEnded
from sfu import rtcp
from tests.unit.sfu.offers import section
from tests.unit.sfu.stage import CAMERA, MICROPHONE, CallsStage, Person


class Watched:
    """One publisher of a picture (SSRC 7) and a sound (SSRC 8), and those who watch the picture."""

    def __init__(self, viewers: int = 1) -> None:
        self.stage = CallsStage()
        self.call = uuid4()
        self.ann = self.stage.join(self.call)
        self.tracks = self.stage.offer(
            self.ann,
            [section("0", ssrc=7), section("1", "audio", ssrc=8)],
            {"0": CAMERA, "1": MICROPHONE},
        ).published
        self.stage.connect(self.ann)
        self.viewers = [self.stage.join(self.call) for _ in range(viewers)]
        for viewer in self.viewers:
            wanted = [section("v", direction="recvonly")]
            self.stage.offer(viewer, wanted, {}, {"v": self.tracks["0"]})
            self.stage.connect(viewer)

    def ssrc(self, viewer: Person) -> int:
        routes = [route for _, route in self.stage.plane.routes.values()]
        return next(route.ssrc for route in routes if route.peer == viewer.stay.peer)

    def to(self, person: Person) -> list[rtcp.Packet]:
        """What it was sent since the last time, receiver reports and names left out."""
        found, kept = [], []
        for peer, compound in self.stage.plane.rtcp:
            if peer != person.stay.peer:
                kept.append((peer, compound))
                continue
            packets, whole = rtcp.read_compound(compound)
            assert whole
            assert packets[0].type in (rtcp.SENDER_REPORT, rtcp.RECEIVER_REPORT)
            found += [packet for packet in packets if packet.type not in (201, 202)]
        self.stage.plane.rtcp = kept
        return found

    def tell(self, person: Person, packet: bytes) -> None:
        self.stage.calls.on_rtcp(person.stay.peer, rtcp.receiver_report(1) + packet)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.stage.now += 0.05
            self.stage.calls.tick()


def test_fifty_viewers_that_ask_ten_times_a_second() -> None:
    """S16: at most 2.2 requests a second reach the publisher."""
    watched = Watched(50)
    watched.wait(1)
    watched.to(watched.ann)
    requests = []
    for _ in range(100):  # 10 s
        for viewer in watched.viewers:
            watched.tell(viewer, rtcp.picture_loss(1, watched.ssrc(viewer)))
        watched.wait(0.1)
        requests += [p for p in watched.to(watched.ann) if (p.type, p.count) == (206, rtcp.PLI)]
    assert 18 <= len(requests) <= 22
    for request in requests:
        feedback = rtcp.read_feedback(request)
        assert feedback is not None
        assert feedback.media == 7


def test_a_request_that_came_too_soon_is_sent_when_it_may_be() -> None:
    """A lost key frame is repaired within a second."""
    watched = Watched()
    assert [(p.type, p.count) for p in watched.to(watched.ann)] == [(206, rtcp.PLI)]
    watched.tell(watched.viewers[0], rtcp.picture_loss(1, watched.ssrc(watched.viewers[0])))
    watched.wait(0.4)
    assert not [p for p in watched.to(watched.ann) if p.count == rtcp.PLI]
    watched.wait(0.2)
    assert [(p.type, p.count) for p in watched.to(watched.ann) if p.count == rtcp.PLI] == [(206, 1)]


def test_fir_asks_for_the_same() -> None:
    watched = Watched()
    watched.wait(1)
    watched.to(watched.ann)
    ssrc = watched.ssrc(watched.viewers[0]).to_bytes(4)
    fir = bytes([0x84, 206, 0, 4]) + bytes(8) + ssrc + bytes(4)
    watched.tell(watched.viewers[0], fir)
    assert [(p.type, p.count) for p in watched.to(watched.ann)] == [(206, rtcp.PLI)]


def test_what_never_came_is_asked_for_once_whoever_misses_it() -> None:
    watched = Watched(3)
    watched.to(watched.ann)
    watched.stage.plane.missing = [10, 11]
    for viewer in watched.viewers:
        watched.tell(viewer, rtcp.nack(1, watched.ssrc(viewer), [9, 10, 11]))
    (asked,) = watched.to(watched.ann)
    feedback = rtcp.read_feedback(asked)
    assert feedback is not None
    assert (feedback.media, rtcp.nack_sequences(feedback.information)) == (7, [10, 11])
    watched.stage.now += 0.11
    watched.tell(watched.viewers[0], rtcp.nack(1, watched.ssrc(watched.viewers[0]), [10]))
    assert len(watched.to(watched.ann)) == 1


def test_publishers_are_told_how_they_are_received_and_what_they_may_send() -> None:
    watched = Watched()
    watched.wait(0.5)
    limits = [p for p in watched.to(watched.ann) if p.count == rtcp.APPLICATION]
    assert len(limits) == 1
    feedback = rtcp.read_feedback(limits[0])
    assert feedback is not None
    assert rtcp.is_remb(feedback)
    assert feedback.information[8:] == (7).to_bytes(4)
    watched.wait(5)
    limits = [p for p in watched.to(watched.ann) if p.count == rtcp.APPLICATION]
    assert len(limits) == 5


def test_a_viewers_remb_is_counted_and_throttles_nobody() -> None:
    watched = Watched()
    watched.to(watched.ann)
    watched.tell(watched.viewers[0], rtcp.bitrate_limit(1, 1000, [7]))
    assert watched.to(watched.ann) == []
    assert watched.stage.calls.feedback.counts["remb"] == 1


def test_sender_reports_go_on_under_the_viewers_numbers_and_not_too_often() -> None:
    watched = Watched(2)
    report = rtcp.sender_report(rtcp.SenderInfo(7, 5 << 32, 90_000, 1, 1))
    for _ in range(10):
        watched.tell(watched.ann, report)
    for viewer in watched.viewers:
        (told,) = watched.to(viewer)
        info = rtcp.read_sender_info(told)
        assert info == rtcp.SenderInfo(watched.ssrc(viewer), 5 << 32, 90_000, 10, 1000)
    watched.stage.now += 0.5
    watched.tell(watched.ann, report)
    assert len(watched.to(watched.viewers[0])) == 1


@pytest.mark.parametrize(
    "lie",
    [
        rtcp.picture_loss(1, 7),
        rtcp.nack(1, 7, [1]),
        rtcp.sender_report(rtcp.SenderInfo(7, 1, 1, 1, 1)),
        rtcp.goodbye(7),
    ],
)
def test_what_a_viewer_says_of_others_streams_does_nothing(lie: bytes) -> None:
    watched = Watched()
    watched.wait(1)
    watched.to(watched.ann)
    watched.stage.plane.missing = [1]
    watched.tell(watched.viewers[0], lie)
    assert watched.to(watched.ann) == []
    assert watched.stage.calls.feedback.counts["foreign"] == 1
    assert len(watched.stage.plane.producers) == 2


def test_goodbye_ends_ones_own_track() -> None:
    watched = Watched()
    watched.viewers[0].outlet.take()
    watched.tell(watched.ann, rtcp.goodbye(7))
    assert watched.viewers[0].outlet.take() == [
        TrackEnded(participant=watched.ann.joined.participant, track=watched.tracks["0"])
    ]
    assert watched.stage.plane.routes == {}


def test_nobody_is_asked_for_a_key_frame_while_muted() -> None:
    watched = Watched()
    watched.wait(1)
    watched.stage.calls.mute(watched.ann.stay, watched.tracks["0"], True)
    watched.to(watched.ann)
    watched.tell(watched.viewers[0], rtcp.picture_loss(1, watched.ssrc(watched.viewers[0])))
    assert watched.to(watched.ann) == []
    watched.stage.calls.mute(watched.ann.stay, watched.tracks["0"], False)
    assert [(p.type, p.count) for p in watched.to(watched.ann)] == [(206, rtcp.PLI)]


def test_rubbish_is_counted() -> None:
    watched = Watched()
    watched.stage.calls.on_rtcp(watched.ann.stay.peer, b"\x81\xce\x00\x01rub")
    watched.tell(watched.ann, bytes([0x81, 206, 0, 1, 0, 0, 0, 0]))
    watched.tell(watched.ann, bytes([0x80, 204, 0, 0]))
    counts = watched.stage.calls.feedback.counts
    assert (counts["malformed"], counts["not-understood"]) == (2, 1)
