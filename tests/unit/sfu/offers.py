"""Offers as clients write them, for the tests."""

from collections.abc import Sequence
from typing import Final

UFRAG: Final = "abcd"
PASSWORD: Final = "p" * 24
SHA256: Final = ":".join(["AB"] * 32)
FINGERPRINT: Final = f"a=fingerprint:sha-256 {SHA256}"

OPUS: Final = ("111", ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"])
VP8: Final = ("96", ["a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli"])
RTX: Final = ("97", ["a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96"])


def section(
    mid: str,
    kind: str = "video",
    *,
    direction: str = "sendrecv",
    ssrc: int | None = None,
    codecs: Sequence[tuple[str, list[str]]] | None = None,
    port: int = 9,
    lines: Sequence[str] = (),
) -> list[str]:
    codecs = codecs if codecs is not None else ([OPUS] if kind == "audio" else [VP8, RTX])
    formats = " ".join(payload_type for payload_type, _ in codecs)
    return [
        f"m={kind} {port} UDP/TLS/RTP/SAVPF {formats}",
        "c=IN IP4 0.0.0.0",
        f"a=ice-ufrag:{UFRAG}",
        f"a=ice-pwd:{PASSWORD}",
        FINGERPRINT,
        "a=setup:actpass",
        f"a=mid:{mid}",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        f"a={direction}",
        "a=rtcp-mux",
        *(line for _, written in codecs for line in written),
        *([f"a=ssrc:{ssrc} cname:c"] if ssrc is not None else []),
        *lines,
    ]


def offer(*sections: list[str], bundle: str | None = None) -> str:
    mids = [line[6:] for lines in sections for line in lines if line.startswith("a=mid:")]
    group = f"a=group:BUNDLE {' '.join(mids)}" if bundle is None else bundle
    head = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", *([group] if group else [])]
    return "\r\n".join([*head, *(line for lines in sections for line in lines)]) + "\r\n"
