"""What travels in a call's opaque body: one versioned struct around an SDP, checked before use.

Sans-IO. The SDP comes from the other person's device, so everything is refused that a one-to-one
call of ours does not need: it reaches aiortc's parser only after this gate.

In RFC terms: BUNDLE over one transport (RFC 9143), rtcp-mux (RFC 5761), DTLS-SRTP alone
(RFC 5764; `a=crypto` of RFC 4568 and plain RTP/AVP are refused), certificate fingerprints by
SHA-2 (RFC 8122 §5), candidates by address, all of them inside (RFC 8839; no trickle, no names).
Left out: data channels, more than one stream of a kind, renegotiation.
"""

import ipaddress
import re
from typing import Annotated, Final, Literal

import msgspec

from ringline.media.errors import MediaRefused
from ringline.protocol.limits import CALL_BODY_BYTES_MAX

VERSION: Final = 1
SDP_CHARACTERS_MAX: Final = 48 * 1024
SDP_LINES_MAX: Final = 512
SDP_LINE_CHARACTERS_MAX: Final = 1024
CANDIDATES_MAX: Final = 32
FINGERPRINTS_MAX: Final = 4

Kind = Literal["offer", "answer"]

_PROFILE = "UDP/TLS/RTP/SAVPF"
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_M_LINE = re.compile(rf"m=(audio|video) (\d{{1,5}}) {_PROFILE}((?: \d{{1,3}}){{1,64}})")
_SETUPS: Final[dict[Kind, frozenset[str]]] = {
    "offer": frozenset({"actpass", "active", "passive"}),
    "answer": frozenset({"active", "passive"}),
}


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body: msgpack, at most 64 KiB."""

    version: Literal[1]
    kind: Kind
    sdp: Annotated[str, msgspec.Meta(min_length=1, max_length=SDP_CHARACTERS_MAX)]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Description)


def encode(kind: Kind, sdp: str) -> bytes:
    """Our own offer or answer as a body."""
    return _encoder.encode(Description(version=VERSION, kind=kind, sdp=sdp))


def decode(body: bytes, kind: Kind) -> str:
    """The peer's SDP, checked. Raise MediaRefused."""
    if len(body) > CALL_BODY_BYTES_MAX:
        raise MediaRefused(f"the {kind} is larger than {CALL_BODY_BYTES_MAX} bytes")
    try:
        description = _decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise MediaRefused(f"the {kind} is not readable") from None
    if description.kind != kind:
        raise MediaRefused(f"expected an {kind}, got an {description.kind}")
    check(description.sdp, kind)
    return description.sdp


def kinds(sdp: str) -> list[str]:
    """ "audio" and "video" in the order in which a checked SDP names them."""
    return [_kind(section) for section in _sections(sdp.splitlines())[1]]


def payload_types(sdp: str, codec: str) -> set[int]:
    """The RTP payload types that an SDP gives to a codec (`VP8/90000`)."""
    found = re.findall(r"^a=rtpmap:(\d{1,3}) (\S+)\s*$", sdp, re.MULTILINE)
    return {int(number) for number, name in found if name.lower().startswith(codec.lower())}


def check(sdp: str, kind: Kind) -> None:
    """Raise MediaRefused unless `sdp` is a session that a one-to-one call of ours can hold."""
    lines = _lines(sdp)
    session, media = _sections(lines)
    if not 1 <= len(media) <= 2 or len({_kind(section) for section in media}) != len(media):
        raise MediaRefused("one audio and one video stream at most")
    mids = [_attribute(section, "mid") for section in media]
    if _attribute(session, "group").split() != ["BUNDLE", *mids] or len(set(mids)) != len(mids):
        raise MediaRefused("the streams are not bundled on one transport")
    if sum(line.startswith("a=candidate:") for line in lines) > CANDIDATES_MAX:
        raise MediaRefused(f"more than {CANDIDATES_MAX} candidates")
    for section in media:
        _check_media(session, section, kind)


def _lines(sdp: str) -> list[str]:
    lines = sdp.splitlines()
    if len(lines) > SDP_LINES_MAX or any(len(line) > SDP_LINE_CHARACTERS_MAX for line in lines):
        raise MediaRefused("the session description is too long")
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise MediaRefused("the session description is not plain text")
    for line in lines:
        if line.startswith("a=crypto"):
            raise MediaRefused("keys in the session description (SDES) are refused")
    return lines


def _sections(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    media: list[list[str]] = []
    for line in lines:
        if line.startswith("m="):
            media.append([line])
        else:
            (media[-1] if media else session).append(line)
    return session, media


def _kind(section: list[str]) -> str:
    match = _M_LINE.fullmatch(section[0])
    if match is None or int(match[2]) > 65535:
        raise MediaRefused(f"only audio and video over {_PROFILE} are accepted")
    return match[1]


def _attribute(section: list[str], name: str) -> str:
    """The one value of an attribute, "" when it is absent. Raise MediaRefused when it is repeated."""
    prefix = f"a={name}:"
    values = [line[len(prefix) :] for line in section if line.startswith(prefix)]
    if len(values) > 1:
        raise MediaRefused(f"{name} is given more than once")
    return values[0] if values else ""


def _check_media(session: list[str], section: list[str], kind: Kind) -> None:
    if "a=rtcp-mux" not in section:
        raise MediaRefused("rtcp-mux is missing")
    if (_attribute(section, "setup") or _attribute(session, "setup")) not in _SETUPS[kind]:
        raise MediaRefused("the DTLS role is missing or not possible here")
    user = _attribute(section, "ice-ufrag") or _attribute(session, "ice-ufrag")
    password = _attribute(section, "ice-pwd") or _attribute(session, "ice-pwd")
    if not 4 <= len(user) <= 256 or not 22 <= len(password) <= 256:
        raise MediaRefused("the ICE credentials are missing or malformed")
    _check_fingerprints(session + section)
    for line in section:
        if line.startswith("a=candidate:"):
            _check_candidate(line)


def _check_fingerprints(lines: list[str]) -> None:
    fingerprints = [line.partition(":")[2] for line in lines if line.startswith("a=fingerprint")]
    if len(fingerprints) > FINGERPRINTS_MAX:
        raise MediaRefused("too many certificate fingerprints")
    supported = [value for value in fingerprints if _is_strong(value)]
    if not supported:
        raise MediaRefused("no certificate fingerprint by SHA-256 or better")


def _is_strong(fingerprint: str) -> bool:
    """Whether it is by SHA-2. Raise MediaRefused when it is malformed."""
    parts = fingerprint.split()
    if len(parts) != 2:
        raise MediaRefused("a certificate fingerprint is malformed")
    algorithm, value = parts[0].lower(), parts[1]
    octets = _DIGEST_BYTES.get(algorithm)
    if octets is None:
        return False
    if not re.fullmatch(rf"[0-9A-Fa-f]{{2}}(?::[0-9A-Fa-f]{{2}}){{{octets - 1}}}", value):
        raise MediaRefused("a certificate fingerprint is malformed")
    return True


def _check_candidate(line: str) -> None:
    """A UDP candidate (RFC 8839 §5.1) at an address that can be one peer's."""
    parts = line.removeprefix("a=candidate:").split()
    if len(parts) < 8 or parts[1] != "1" or parts[2].lower() != "udp" or parts[6] != "typ":
        raise MediaRefused("a candidate is malformed or not over UDP")
    try:
        address = ipaddress.ip_address(parts[4])
        port, priority = int(parts[5]), int(parts[3])
    except ValueError:
        raise MediaRefused("a candidate's address is not an IP address and port") from None
    if address.is_multicast or address.is_unspecified or address == _BROADCAST:
        raise MediaRefused("a candidate's address cannot be one peer's")
    if not 1 <= port <= 65535 or not 1 <= priority < 2**32:
        raise MediaRefused("a candidate's port or priority is out of range")


_BROADCAST = ipaddress.ip_address("255.255.255.255")
