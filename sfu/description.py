"""A client's offer (RFC 3264, RFC 9429): what of it we rely on, and what is refused.

One transport for everything (BUNDLE, RFC 9143; rtcp-mux, RFC 5761), keys by DTLS alone (RFC 5763,
RFC 8122), the client with full ICE and the DTLS client. Left out for now: RTX, RED, FEC, simulcast
(`a=rid`, `a=simulcast` are in `Media.attributes`), data channels, transport-wide congestion control.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ringline.protocol import limits
from sfu.codec import Codec, read_codecs
from sfu.errors import invalid
from sfu.sdp import Attributes, Lines, Media, read_lines
from sfu.transport import Fingerprint, RemoteTransport

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
EXTENSIONS: Final = (MID_URI, AUDIO_LEVEL_URI)
PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"
SECURE_PROTOCOLS: Final = frozenset({PROTOCOL, "UDP/TLS/RTP/SAVP"})
DIGEST_OCTETS: Final[Mapping[str, int]] = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
FINGERPRINTS_MAX: Final = 8
SSRCS_MAX: Final = 16
"""That one section may name."""

_MID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
_EXTMAP: Final = re.compile(
    r"(\d{1,3})(?:/(sendrecv|sendonly|recvonly|inactive))? (\S{1,255})(?: .*)?"
)
_SSRC: Final = re.compile(r"(\d{1,10})(?: .*)?")
_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9-]{1,16}) +([0-9A-Fa-f:]{2,200})")
_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(frozen=True, slots=True)
class Section:
    """One media section of the offer."""

    media: Media
    mid: str
    rejected: bool
    """Its port is 0, and it is not `bundle-only`: stopped."""
    direction: str
    codecs: tuple[Codec, ...]
    extensions: Mapping[str, int]
    """URI to id, of those we know."""
    ssrc: int | None
    """The (first) stream that it says it sends."""

    @property
    def kind(self) -> str:
        return self.media.kind

    @property
    def sends(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class OfferDescription:
    sections: tuple[Section, ...]
    transport: RemoteTransport

    def section(self, mid: str) -> Section | None:
        return next((section for section in self.sections if section.mid == mid), None)


def read_offer(text: str) -> OfferDescription:
    """Raises Refused (invalid) with what is wrong."""
    lines = read_lines(text, limits.GROUP_CALL_MEDIA_SECTIONS_MAX)
    if not lines.media:
        raise invalid("sdp: no media section")
    if lines.session.has("ice-lite"):
        raise invalid("sdp: this node is ICE-lite; the client must not be")
    sections = tuple(_section(media, number) for number, media in enumerate(lines.media, 1))
    mids = [section.mid for section in sections]
    if len(set(mids)) != len(mids):
        raise invalid("sdp: two media sections have the same mid")
    tagged = _bundle(lines, sections)
    for section in sections:
        _refuse_foreign_keys(section, lines.session)
    return OfferDescription(sections, _transport(tagged.media.attributes, lines.session))


def _section(media: Media, number: int) -> Section:
    attributes = media.attributes
    mid = attributes.first("mid")
    if mid is None or not _MID.fullmatch(mid):
        raise invalid(f"sdp: media section {number} has no mid")
    directions = [name for name in _DIRECTIONS if attributes.has(name)]
    return Section(
        media=media,
        mid=mid,
        rejected=media.port == 0 and not attributes.has("bundle-only"),
        direction=directions[0] if directions else "sendrecv",
        codecs=tuple(read_codecs(media)),
        extensions=_extensions(attributes, mid),
        ssrc=_primary_ssrc(attributes, mid),
    )


def _extensions(attributes: Attributes, mid: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in attributes.all("extmap"):
        parts = _EXTMAP.fullmatch(line)
        if parts is None:
            raise invalid(f"sdp: mid {mid}: a=extmap cannot be read")
        # 15 is reserved in the one-byte form (RFC 8285 §4.2), which is the one we write.
        if parts[3] in EXTENSIONS and 1 <= int(parts[1]) <= 14:
            found.setdefault(parts[3], int(parts[1]))
    return found


def _primary_ssrc(attributes: Attributes, mid: str) -> int | None:
    """Not that of retransmissions, which follows its stream's in an FID group (RFC 5576 §4.2)."""
    ssrcs: list[int] = []
    for line in attributes.all("ssrc"):
        parts = _SSRC.fullmatch(line)
        if parts is None or not 0 < int(parts[1]) < 2**32:
            raise invalid(f"sdp: mid {mid}: a=ssrc cannot be read")
        if int(parts[1]) not in ssrcs:
            ssrcs.append(int(parts[1]))
    if len(ssrcs) > SSRCS_MAX:
        raise invalid(f"sdp: mid {mid}: more than {SSRCS_MAX} SSRCs")
    groups = (line.split() for line in attributes.all("ssrc-group"))
    repairs = {ssrc for group in groups if group[:1] in (["FID"], ["FEC-FR"]) for ssrc in group[2:]}
    return next((ssrc for ssrc in ssrcs if str(ssrc) not in repairs), None)


def _bundle(lines: Lines, sections: tuple[Section, ...]) -> Section:
    """The offerer-tagged section (RFC 9143 §7.2.1), whose transport is everybody's."""
    groups = [
        value.split()[1:] for value in lines.session.all("group") if value.startswith("BUNDLE")
    ]
    if len(groups) != 1 or not groups[0]:
        raise invalid("sdp: all media sections must be in one BUNDLE group")
    bundled = set(groups[0])
    for section in sections:
        if section.rejected or section.kind not in ("audio", "video"):
            continue
        if section.mid not in bundled:
            raise invalid(f"sdp: mid {section.mid} is not in the BUNDLE group")
        if not section.media.attributes.has("rtcp-mux"):
            raise invalid(f"sdp: mid {section.mid}: no rtcp-mux")
    tagged = next((section for section in sections if section.mid == groups[0][0]), None)
    if tagged is None or tagged.rejected:
        raise invalid("sdp: the first of the BUNDLE group is no open media section")
    return tagged


def _refuse_foreign_keys(section: Section, session: Attributes) -> None:
    """RFC 8827 §6.5: DTLS-SRTP, and nothing that says its keys aloud."""
    if section.media.attributes.has("crypto") or session.has("crypto"):
        raise invalid(f"sdp: mid {section.mid}: a=crypto is refused; keys come from DTLS")
    if section.kind not in ("audio", "video") or section.rejected:
        return
    if section.media.protocol not in SECURE_PROTOCOLS:
        raise invalid(f"sdp: mid {section.mid}: the protocol must be {PROTOCOL}")


def _transport(section: Attributes, session: Attributes) -> RemoteTransport:
    ufrag = section.first("ice-ufrag") or session.first("ice-ufrag") or ""
    password = section.first("ice-pwd") or session.first("ice-pwd") or ""
    if not _UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
        raise invalid("sdp: no ice-ufrag and ice-pwd (RFC 8839)")
    setup = section.first("setup") or session.first("setup") or ""
    if setup not in ("actpass", "active"):
        raise invalid("sdp: a=setup must be actpass or active: the client is the DTLS client")
    lines = [*section.all("fingerprint")] or [*session.all("fingerprint")]
    return RemoteTransport(ufrag, password, _fingerprints(lines))


def _fingerprints(lines: list[str]) -> tuple[Fingerprint, ...]:
    if not lines:
        raise invalid("sdp: no fingerprint")
    if len(lines) > FINGERPRINTS_MAX:
        raise invalid(f"sdp: more than {FINGERPRINTS_MAX} fingerprints")
    found = []
    for line in lines:
        parts = _FINGERPRINT.fullmatch(line)
        if parts is None:
            raise invalid("sdp: a fingerprint cannot be read")
        octets = DIGEST_OCTETS.get(parts[1].lower())
        if octets is None:
            continue  # RFC 8122 §5: an unknown or broken hash is passed over
        if len(parts[2]) != 3 * octets - 1 or any(len(pair) != 2 for pair in parts[2].split(":")):
            raise invalid("sdp: a fingerprint has not its hash's length")
        found.append(Fingerprint(parts[1].lower(), parts[2].upper()))
    if not found:
        raise invalid("sdp: no fingerprint of sha-256, sha-384 or sha-512")
    return tuple(found)
