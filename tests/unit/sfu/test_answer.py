from aiortc.sdp import SessionDescription

from sfu.answer import AnsweredSection, AnsweredStream, write_answer
from sfu.description import MID_URI, read_offer
from sfu.transport import Fingerprint, LocalTransport
from tests.unit.sfu.offers import SHA256, offer, section

LOCAL = LocalTransport(
    "ours", "o" * 32, Fingerprint("sha-256", SHA256), [("127.0.0.1", 3480), ("::1", 3480)]
)


def test_another_reads_what_we_write() -> None:
    read = read_offer(
        offer(
            section("a", "audio", ssrc=7),
            section("b", port=0),
            section("c", direction="recvonly"),
            section("d"),
        )
    )
    a, b, c, d = read.sections
    stream = AnsweredStream(99, "ann", "ann", "track")
    text = write_answer(
        1,
        2,
        LOCAL,
        [
            AnsweredSection(a, "recvonly", a.codecs[0], a.extensions),
            AnsweredSection(b, "inactive", None),
            AnsweredSection(c, "sendonly", c.codecs[0], {MID_URI: 4}, stream),
            AnsweredSection(d, "inactive", d.codecs[0]),
        ],
    )
    answer = SessionDescription.parse(text)
    assert [media.rtp.muxId for media in answer.media] == ["a", "b", "c", "d"]
    assert [media.port for media in answer.media] == [9, 0, 9, 9]
    directions = [media.direction for media in answer.media]
    assert directions == ["recvonly", "inactive", "sendonly", "inactive"]
    assert answer.group[0].items == ["a", "c", "d"]
    assert answer.media[0].ice is not None
    assert answer.media[0].ice.iceLite
    for media in answer.media:
        if not media.port:
            continue
        assert media.dtls is not None
        assert media.dtls.role == "server"
        assert media.dtls.fingerprints[0].value == SHA256
        assert media.rtcp_mux
        assert media.ice_candidates_complete
        assert [each.ip for each in media.ice_candidates] == ["127.0.0.1", "::1"]
        priorities = [each.priority for each in media.ice_candidates]
        assert priorities == sorted(priorities, reverse=True)
        assert len(media.rtp.codecs) == 1
    sent = answer.media[2]
    assert [(each.ssrc, each.cname, each.msid) for each in sent.ssrc] == [(99, "ann", "ann track")]
    assert sent.rtp.headerExtensions[0].uri == MID_URI
    assert [each.type for each in sent.rtp.codecs[0].rtcpFeedback] == ["nack", "nack"]
    assert "a=setup:passive" in text
    assert "rtx" not in text
