"""Codecs by their names in the description: what is forwarded, and whether two mean the same.

Nothing here reads a payload. RFC 4855 (rtpmap), RFC 7587 (Opus), RFC 7741 (VP8), RFC 6184 (H.264),
RFC 9628 (VP9), and the AV1 payload format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sfu.sdp import Media

ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "audio": frozenset({"opus"}),
    "video": frozenset({"vp8", "h264", "vp9", "av1"}),
}
FEEDBACK: Final = ("nack", "nack pli", "goog-remb")
"""RFC 4585 §6.2.1 and §6.3.1; REMB. `ccm fir` is not offered: PLI asks for the same."""
_RTPMAP: Final = re.compile(r"(\d{1,3}) ([A-Za-z0-9._-]{1,32})/(\d{1,6})(?:/(\d{1,2}))?")
_PROFILE: Final = re.compile(r"[0-9A-Fa-f]{6}")
PAYLOAD_TYPES: Final = (*range(35, 64), *range(96, 128))
"""Dynamic ones that RTCP cannot be taken for (RFC 5761 §4)."""


@dataclass(frozen=True, slots=True)
class Codec:
    payload_type: int
    name: str
    clock_rate: int
    channels: int
    format: str = ""
    """The value of `a=fmtp`, as offered."""
    feedback: tuple[str, ...] = ()
    """Offered, of those we know."""

    @property
    def rtpmap(self) -> str:
        channels = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate}{channels}"

    def same_as(self, other: "Codec") -> bool:
        """Whether what is sent as the one can be read as the other."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[str, int, int, str]:
        return self.name.lower(), self.clock_rate, self.channels, self._variant()

    def _variant(self) -> str:
        parameters = _parameters(self.format)
        match self.name.lower():
            case "h264":
                mode = parameters.get("packetization-mode", "0")
                return f"{mode} {_h264_profile(parameters.get('profile-level-id', '420010'))}"
            case "vp9":
                return parameters.get("profile-id", "0")
            case "av1":
                return parameters.get("profile", "0")
        return ""


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _h264_profile(text: str) -> str:
    """Without the level (RFC 6184 §8.1, table 5): it may differ in each direction."""
    if not _PROFILE.fullmatch(text):
        return text
    profile, constraints = int(text[:2], 16), int(text[2:4], 16)
    bit = {0x42: 0x40, 0x4D: 0x80}.get(profile, 0)
    constrained = constraints & bit
    return "constrained-baseline" if constrained else f"{profile:02x}{constraints:02x}"


def read_codecs(media: Media) -> list[Codec]:
    """Those of the section that we forward, in the client's order of preference."""
    maps: dict[str, re.Match[str]] = {}
    for line in media.attributes.all("rtpmap"):
        found = _RTPMAP.fullmatch(line)
        if found is not None:
            maps.setdefault(found[1], found)
    formats = _by_payload_type(media, "fmtp")
    feedback = _by_payload_type(media, "rtcp-fb")
    allowed = ALLOWED.get(media.kind, frozenset())
    codecs = []
    for payload_type in media.formats:
        found = maps.get(payload_type)
        if found is None or found[2].lower() not in allowed:
            continue
        if int(payload_type) not in PAYLOAD_TYPES:
            continue
        offered = {*feedback.get(payload_type, ()), *feedback.get("*", ())}
        codecs.append(
            Codec(
                payload_type=int(payload_type),
                name=found[2],
                clock_rate=int(found[3]),
                channels=int(found[4] or 1),
                format=next(iter(formats.get(payload_type, ())), ""),
                feedback=tuple(name for name in FEEDBACK if name in offered),
            )
        )
    return codecs


def _by_payload_type(media: Media, attribute: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in media.attributes.all(attribute):
        payload_type, _, value = line.partition(" ")
        found.setdefault(payload_type, []).append(value)
    return found
