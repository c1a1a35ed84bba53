"""Our answer: ICE-lite (RFC 8445 §2.5), one bundled transport, the passive DTLS side (RFC 5763 §5)."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sfu.codec import Codec
from sfu.description import PROTOCOL, Section
from sfu.plane import SocketAddress
from sfu.transport import LocalTransport

HOST_PREFERENCE: Final = 126
"""RFC 8445 §5.1.2.2."""


@dataclass(frozen=True, slots=True)
class AnsweredStream:
    """What a section sends to the client."""

    ssrc: int
    cname: str
    stream: str
    """Tracks of one stream are played in step (RFC 8830)."""
    track: str


@dataclass(frozen=True, slots=True)
class AnsweredSection:
    section: Section
    direction: str
    """`recvonly`, `sendonly` or `inactive`; a section without a codec is rejected."""
    codec: Codec | None
    extensions: Mapping[str, int] = field(default_factory=dict)
    stream: AnsweredStream | None = None


def write_answer(
    session: int, version: int, local: LocalTransport, sections: Sequence[AnsweredSection]
) -> str:
    """`session` and `version` are the origin line's (RFC 8866 §5.2)."""
    accepted = [answered.section.mid for answered in sections if answered.codec is not None]
    lines = [
        "v=0",
        f"o=- {session} {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        *([f"a=group:BUNDLE {' '.join(accepted)}"] if accepted else []),
        "a=msid-semantic:WMS *",
    ]
    for answered in sections:
        if answered.codec is None:
            lines += _rejected(answered.section)
        else:
            lines += _accepted(answered, answered.codec, local)
    return "\r\n".join(lines) + "\r\n"


def _rejected(section: Section) -> list[str]:
    """RFC 3264 §6: port 0, its formats as offered."""
    media = section.media
    return [
        f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        "a=inactive",
    ]


def _accepted(answered: AnsweredSection, codec: Codec, local: LocalTransport) -> list[str]:
    section = answered.section
    lines = [
        f"m={section.kind} 9 {PROTOCOL} {codec.payload_type}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        f"a={answered.direction}",
        "a=rtcp-mux",
    ]
    lines += _transport(local)
    lines += [f"a=extmap:{number} {uri}" for uri, number in answered.extensions.items()]
    lines.append(f"a=rtpmap:{codec.payload_type} {codec.rtpmap}")
    lines += [f"a=rtcp-fb:{codec.payload_type} {name}" for name in codec.feedback]
    if codec.format:
        lines.append(f"a=fmtp:{codec.payload_type} {codec.format}")
    stream = answered.stream
    if stream is not None:
        lines += [
            f"a=msid:{stream.stream} {stream.track}",
            f"a=ssrc:{stream.ssrc} cname:{stream.cname}",
            f"a=ssrc:{stream.ssrc} msid:{stream.stream} {stream.track}",
        ]
    return lines


def _transport(local: LocalTransport) -> list[str]:
    fingerprint = local.fingerprint
    lines = [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
        "a=setup:passive",
    ]
    for number, address in enumerate(local.addresses):
        lines.append(f"a=candidate:{_candidate(number, address)}")
    return [*lines, "a=end-of-candidates"]


def _candidate(number: int, address: SocketAddress) -> str:
    """RFC 8839 §5.1; the priority of RFC 8445 §5.1.2.1, component 1."""
    host, port = address[:2]
    priority = (HOST_PREFERENCE << 24) + ((65535 - number) << 8) + 255
    return f"{number + 1} 1 udp {priority} {ipaddress.ip_address(host)} {port} typ host"
