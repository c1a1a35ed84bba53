import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringline.protocol import limits
from sfu.description import AUDIO_LEVEL_URI, MID_URI, read_offer
from sfu.errors import Refused
from sfu.sdp import FORMATS_MAX, LINE_CHARACTERS_MAX, SECTION_LINES_MAX
from sfu.transport import Fingerprint
from tests.unit.sfu.offers import FINGERPRINT, OPUS, PASSWORD, SHA256, UFRAG, offer, section


def refusal(text: str) -> str:
    with pytest.raises(Refused) as caught:
        read_offer(text)
    assert caught.value.problem.status == 422
    return caught.value.problem.detail or ""


def test_what_a_browser_offers() -> None:
    lines = [
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:3/sendonly urn:x:other",
        "a=ssrc-group:FID 8 9",
        "a=ssrc:9 cname:c",
        "a=rid:q send",
    ]
    read = read_offer(offer(section("0", "audio", ssrc=7), section("1", ssrc=8, lines=lines)))
    assert [each.mid for each in read.sections] == ["0", "1"]
    assert [each.ssrc for each in read.sections] == [7, 8]
    assert [codec.name for each in read.sections for codec in each.codecs] == ["opus", "VP8"]
    assert read.sections[1].codecs[0].feedback == ("nack", "nack pli")
    assert read.sections[1].extensions == {MID_URI: 4, AUDIO_LEVEL_URI: 1}
    assert (read.transport.ufrag, read.transport.password) == (UFRAG, PASSWORD)
    assert read.transport.fingerprints == (Fingerprint("sha-256", SHA256),)


def test_the_stream_of_a_section_is_not_its_retransmissions() -> None:
    lines = ["a=ssrc-group:FID 20 10", "a=ssrc:10 cname:c", "a=ssrc:20 cname:c"]
    assert read_offer(offer(section("0", lines=lines))).sections[0].ssrc == 20


def test_a_transport_may_stand_before_the_sections() -> None:
    text = offer([line for line in section("0") if "ice-" not in line and "setup" not in line])
    text = text.replace(
        "t=0 0", f"t=0 0\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\na=setup:active"
    )
    assert read_offer(text).transport.ufrag == UFRAG


def test_stopped_and_bundle_only_sections() -> None:
    stopped = section("1", port=0)
    also = section("2", port=0, lines=["a=bundle-only"])
    read = read_offer(offer(section("0"), stopped, also))
    assert [each.rejected for each in read.sections] == [False, True, False]
    assert [each.sends for each in read.sections] == [True, False, True]


def test_the_first_of_the_group_gives_the_transport() -> None:
    other = [line.replace(UFRAG, "zzzz") for line in section("1")]
    text = offer(section("0"), other, bundle="a=group:BUNDLE 1 0")
    assert read_offer(text).transport.ufrag == "zzzz"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (offer(), "no media section"),
        ("v=1\r\n", "v=0"),
        (offer(section("0"), section("0")), "same mid"),
        (offer([line for line in section("0") if "mid:0" not in line]), "no mid"),
        (
            offer(section("0"), section("1"), bundle="a=group:BUNDLE 0"),
            "mid 1 is not in the BUNDLE",
        ),
        (offer(section("0"), bundle=""), "BUNDLE"),
        (offer(section("0"), bundle="a=group:BUNDLE 9 0"), "no open media section"),
        (offer(section("0", port=0), section("1")), "no open media section"),
        (offer(section("0", lines=["a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"])), "a=crypto"),
        (offer(section("0")).replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "protocol"),
        (offer(section("0")).replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"), "protocol"),
        (offer(section("0")).replace("actpass", "passive"), "a=setup"),
        (offer(section("0")).replace("a=ice-ufrag:abcd", "a=ice-ufrag:a"), "ice-ufrag"),
        (offer(section("0")).replace("a=rtcp-mux\r\n", ""), "rtcp-mux"),
        (offer(section("0")).replace("t=0 0", "t=0 0\r\na=ice-lite"), "ICE-lite"),
        (offer(section("0")).replace(FINGERPRINT + "\r\n", ""), "no fingerprint"),
        (offer(section("0")).replace("sha-256", "sha-1"), "no fingerprint of sha-256"),
        (offer(section("0")).replace("sha-256", "sha-512"), "length"),
        (offer(section("0")).replace(SHA256, SHA256[:-1] + "G"), "cannot be read"),
        (offer(section("0", lines=["a=ssrc:0 cname:x"])), "a=ssrc"),
        (offer(section("0", lines=["a=ssrc:4294967296 cname:x"])), "a=ssrc"),
        (offer(section("0", lines=["a=extmap:x y"])), "a=extmap"),
        (offer(section("0", lines=["rubbish"])), "is none"),
        (offer(section("0")).replace("m=video 9", "m=video 70000"), "media line"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    assert says in refusal(text)


def test_limits() -> None:
    most = limits.GROUP_CALL_MEDIA_SECTIONS_MAX
    small = [section(str(number), "audio") for number in range(most + 1)]
    assert len(read_offer(offer(*small[:most])).sections) == most
    assert "media sections" in refusal(offer(*small))
    assert "too long" in refusal(offer(section("0", lines=["a=x:" + "y" * LINE_CHARACTERS_MAX])))
    assert "too many" in refusal(offer(section("0", lines=["a=x"] * SECTION_LINES_MAX)))
    many = [(str(number), [f"a=rtpmap:{number} opus/48000/2"]) for number in range(FORMATS_MAX + 1)]
    assert "media line" in refusal(offer(section("0", "audio", codecs=many)))
    assert "SSRCs" in refusal(offer(section("0", lines=[f"a=ssrc:{n} x" for n in range(1, 18)])))
    assert "fingerprints" in refusal(offer(section("0", lines=[FINGERPRINT] * 8)))


def test_codecs_that_are_not_forwarded_are_left_out() -> None:
    codecs = [("0", ["a=rtpmap:0 PCMU/8000"]), ("72", ["a=rtpmap:72 opus/48000/2"]), OPUS]
    found = read_offer(offer(section("0", "audio", codecs=codecs))).sections[0].codecs
    assert [codec.payload_type for codec in found] == [111]


@given(st.text(max_size=200), st.integers(0, 2000), st.integers(0, 400))
def test_anything_is_read_or_refused(noise: str, at: int, cut: int) -> None:
    text = offer(section("0", "audio", ssrc=7), section("1", ssrc=8))
    changed = text[:at] + noise + text[at + cut :]
    try:
        read = read_offer(changed)
    except Refused:
        return
    assert read.transport.fingerprints
