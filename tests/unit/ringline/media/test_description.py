"""The gate before aiortc's parser: ours passes, anything else is MediaRefused and nothing else."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringline.media import description
from ringline.media.errors import MediaRefused
from ringline.protocol.limits import CALL_BODY_BYTES_MAX

DIGEST = ":".join(["AB"] * 32)


def section(kind: str, mid: str) -> list[str]:
    return [
        f"m={kind} 40000 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 127.0.0.1",
        "a=sendrecv",
        f"a=mid:{mid}",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:97 rtx/90000",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host",
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        f"a=fingerprint:sha-256 {DIGEST}",
        "a=setup:actpass",
    ]


HEAD = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]


def text(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


GOOD = text(HEAD + section("audio", "0") + section("video", "1"))


def test_a_good_offer_passes_unchanged() -> None:
    body = description.encode("offer", GOOD)
    assert description.decode(body, "offer") == GOOD
    assert description.kinds(GOOD) == ["audio", "video"]
    assert description.payload_types(GOOD, "VP8/90000") == {96}


def test_the_body_is_versioned() -> None:
    fields = msgspec.msgpack.decode(description.encode("offer", GOOD))
    assert fields["version"] == 1
    later = msgspec.msgpack.encode({**fields, "version": 2})
    with pytest.raises(MediaRefused):
        description.decode(later, "offer")


def test_an_answer_is_no_offer() -> None:
    with pytest.raises(MediaRefused, match="expected an offer"):
        description.decode(description.encode("answer", GOOD), "offer")


def test_the_largest_description_fits_the_body() -> None:
    longest = description.encode("offer", "x" * description.SDP_CHARACTERS_MAX)
    assert len(longest) <= CALL_BODY_BYTES_MAX


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"garbage" * 10,
        b"\x81" * 5000,
        b"\xc1",
        b"x" * (CALL_BODY_BYTES_MAX + 1),
        msgspec.msgpack.encode({"version": 1, "kind": "offer"}),
        msgspec.msgpack.encode({"version": 1, "kind": "offer", "sdp": 5}),
        msgspec.msgpack.encode({"version": 1, "kind": "offer", "sdp": GOOD, "more": 1}),
        description.encode("offer", "x" * (description.SDP_CHARACTERS_MAX + 1)),
    ],
)
def test_bytes_that_are_no_body_are_refused(body: bytes) -> None:
    with pytest.raises(MediaRefused):
        description.decode(body, "offer")


CHANGES = {
    "no streams": (GOOD, text(HEAD)),
    "empty": (GOOD, "\r\n"),
    "sha-1 only": (f"sha-256 {DIGEST}", "sha-1 " + ":".join(["AB"] * 20)),
    "no fingerprint": (f"a=fingerprint:sha-256 {DIGEST}\r\n", ""),
    "short fingerprint": (DIGEST, ":".join(["AB"] * 31)),
    "fingerprint not hexadecimal": (DIGEST, ":".join(["ZZ"] * 32)),
    "fingerprint without value": (f"sha-256 {DIGEST}", "sha-256"),
    "SDES": ("a=mid:0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\na=mid:0"),
    "RTP/AVP": ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    "RTP/SAVPF without DTLS": ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
    "data channel": ("m=video 40000 UDP/TLS/RTP/SAVPF 96 97", "m=application 9 UDP/DTLS/SCTP w"),
    "two of a kind": ("m=video", "m=audio"),
    "not bundled": ("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
    "bundled in another order": ("a=group:BUNDLE 0 1", "a=group:BUNDLE 1 0"),
    "one mid twice": ("a=mid:1", "a=mid:0"),
    "two mids": ("a=mid:1", "a=mid:1\r\na=mid:2"),
    "no rtcp-mux": ("a=rtcp-mux\r\n", ""),
    "no role": ("a=setup:actpass\r\n", ""),
    "odd role": ("a=setup:actpass", "a=setup:holdconn"),
    "short user": ("ice-ufrag:abcd", "ice-ufrag:abc"),
    "short password": ("ice-pwd:abcdefghijklmnopqrstuv", "ice-pwd:abcdefghijklmnopqrstu"),
    "candidate by name": ("udp 2130706431 127.0.0.1", "udp 2130706431 host.local"),
    "candidate over TCP": ("1 1 udp", "1 1 tcp"),
    "candidate cut short": (" 40000 typ host", ""),
    "candidate's port zero": ("127.0.0.1 40000 typ", "127.0.0.1 0 typ"),
    "candidate's port too high": ("127.0.0.1 40000 typ", "127.0.0.1 65536 typ"),
    "candidate's port no number": ("127.0.0.1 40000 typ", "127.0.0.1 x typ"),
    "multicast candidate": ("2130706431 127.0.0.1", "2130706431 239.0.0.1"),
    "broadcast candidate": ("2130706431 127.0.0.1", "2130706431 255.255.255.255"),
    "unspecified candidate": ("2130706431 127.0.0.1", "2130706431 0.0.0.0"),
    "second component": ("candidate:1 1 udp", "candidate:1 2 udp"),
    "port out of range": ("m=audio 40000", "m=audio 70000"),
    "control character": ("s=-", "s=\x00"),
    "not ASCII": ("s=-", "s=é"),
    "long line": ("s=-", "s=" + "x" * 2000),
    "many lines": ("s=-", "s=-\r\n" + "a=x\r\n" * 600),
    "many candidates": (
        "a=end-of-candidates",
        text(["a=candidate:1 1 udp 1 127.0.0.1 40000 typ host"] * 40).rstrip(),
    ),
    "many fingerprints": (
        "a=setup:actpass",
        text([f"a=fingerprint:sha-256 {DIGEST}"] * 5) + "a=setup:actpass",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_hostile_session_is_refused(name: str) -> None:
    before, after = CHANGES[name]
    assert before in GOOD
    with pytest.raises(MediaRefused):
        description.decode(description.encode("offer", GOOD.replace(before, after)), "offer")


def test_a_third_stream_is_refused() -> None:
    head = [*HEAD[:-1], "a=group:BUNDLE 0 1 2"]
    three = text(head + section("audio", "0") + section("video", "1") + section("video", "2"))
    with pytest.raises(MediaRefused):
        description.check(three, "offer")


def test_an_answer_must_choose_its_role() -> None:
    with pytest.raises(MediaRefused, match="role"):
        description.check(GOOD, "answer")
    description.check(GOOD.replace("setup:actpass", "setup:active"), "answer")


def test_a_weak_fingerprint_beside_a_strong_one_is_harmless() -> None:
    weak = "a=fingerprint:sha-1 " + ":".join(["AB"] * 20)
    description.check(GOOD.replace("a=setup", f"{weak}\r\na=setup"), "offer")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    body = bytearray(description.encode("offer", GOOD))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for damaged in (bytes(body), bytes(body[:cut])):
        try:
            description.decode(damaged, "offer")
        except MediaRefused:
            continue
