"""What an offer asks for, checked against the call, before anything of it is done. Sans-IO."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ringline.protocol.sfu import Offer, Publication
from sfu.answer import AnsweredSection, AnsweredStream
from sfu.call import Call
from sfu.codec import Codec
from sfu.consumer import Consumer
from sfu.description import AUDIO_LEVEL_URI, MID_URI, OfferDescription, Section
from sfu.errors import invalid
from sfu.participant import Participant
from sfu.track import KIND_OF_SOURCE, PublishedTrack

MEDIA_KINDS: Final = ("audio", "video")


@dataclass(frozen=True, slots=True)
class Publishing:
    section: Section
    publication: Publication
    codec: Codec


@dataclass(frozen=True, slots=True)
class Subscribing:
    section: Section
    track: PublishedTrack | None
    """None: it has ended meanwhile."""


@dataclass(frozen=True, slots=True)
class Plan:
    description: OfferDescription
    publish: dict[str, Publishing]
    """By mid."""
    subscribe: dict[str, Subscribing]
    """By mid."""


def plan(
    offer: Offer,
    description: OfferDescription,
    call: Call,
    participant: Participant,
    tracks_max: int,
    codec_in_use: Callable[[str], Codec | None],
) -> Plan:
    """Raises Refused (invalid). `codec_in_use` tells what a section of one's own sends now."""
    if len(offer.publish) > tracks_max:
        raise invalid(f"publish: more than {tracks_max} tracks")
    publish = {
        mid: _publishing(description, mid, publication, codec_in_use(mid))
        for mid, publication in offer.publish.items()
    }
    ssrcs = [entry.section.ssrc for entry in publish.values() if entry.section.ssrc is not None]
    if len(set(ssrcs)) != len(ssrcs):
        raise invalid("publish: two sections have the same SSRC")
    subscribe = {}
    wanted: set[str] = set()
    for mid, track in offer.subscribe.items():
        if mid in publish:
            raise invalid(f"subscribe: mid {mid} is in publish, too")
        if track in wanted:
            raise invalid(f"subscribe: mid {mid}: that track has a section already")
        wanted.add(track)
        subscribe[mid] = _subscribing(description, mid, track, call, participant)
    if not any(section.codecs and not section.rejected for section in description.sections):
        raise invalid("sdp: no section has a codec that is forwarded")
    return Plan(description, publish, subscribe)


def _section(description: OfferDescription, mid: str, where: str) -> Section:
    section = description.section(mid)
    if section is None or section.kind not in MEDIA_KINDS:
        raise invalid(f"{where}: the offer has no media section with mid {mid}")
    return section


def _publishing(
    description: OfferDescription, mid: str, publication: Publication, in_use: Codec | None
) -> Publishing:
    section = _section(description, mid, "publish")
    if not section.sends:
        raise invalid(f"publish: mid {mid} does not send")
    if KIND_OF_SOURCE[publication.source].value != section.kind:
        raise invalid(f"publish: mid {mid} is {section.kind}, its source is not")
    if not section.codecs:
        raise invalid(f"publish: mid {mid} has no codec that is forwarded")
    kept = (codec for codec in section.codecs if codec == in_use)
    return Publishing(section, publication, next(kept, section.codecs[0]))


def _subscribing(
    description: OfferDescription, mid: str, track: str, call: Call, participant: Participant
) -> Subscribing:
    section = _section(description, mid, "subscribe")
    if not section.receives:
        raise invalid(f"subscribe: mid {mid} does not receive")
    known = call.tracks.get(track)
    if known is None:
        if not call.has_ended(track):
            raise invalid(f"subscribe: mid {mid}: there is no such track")
        return Subscribing(section, None)
    if known.participant == participant.id:
        raise invalid(f"subscribe: mid {mid}: that track is one's own")
    if known.kind.value != section.kind:
        raise invalid(f"subscribe: mid {mid} is {section.kind}, the track is not")
    return Subscribing(section, known)


def answered(
    section: Section, publishing: Publishing | None, consumer: Consumer | None, stream: str
) -> AnsweredSection:
    """How one section of the offer is answered; `stream` is the consumed track's."""
    if section.rejected or not section.codecs:
        return AnsweredSection(section, "inactive", None)
    if publishing is not None:
        return AnsweredSection(section, "recvonly", publishing.codec, section.extensions)
    if consumer is None:
        return AnsweredSection(section, "inactive", section.codecs[0])
    track = consumer.producer.track
    sent = AnsweredStream(consumer.ssrc, consumer.producer.cname, stream, track)
    return AnsweredSection(section, "sendonly", consumer.codec, _carried(consumer), sent)


def _carried(consumer: Consumer) -> dict[str, int]:
    extensions = {}
    if consumer.mid_extension:
        extensions[MID_URI] = consumer.mid_extension
    if consumer.audio_level_extension and consumer.producer.audio_level_extension:
        extensions[AUDIO_LEVEL_URI] = consumer.audio_level_extension
    return extensions
