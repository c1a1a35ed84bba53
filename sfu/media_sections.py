"""An offer that was checked is carried out: tracks begin and end, subscriptions change, we answer."""

from collections.abc import Callable
from typing import Final

from ringline.protocol.problems import ProblemType
from ringline.protocol.sfu import Answer, Offer
from sfu.answer import write_answer
from sfu.call import Call
from sfu.codec import Codec
from sfu.description import read_offer
from sfu.errors import Refused, invalid
from sfu.negotiation import Plan, Publishing, Subscribing, answered, plan
from sfu.participant import Participant
from sfu.router import Router
from sfu.track import PublishedTrack
from sfu.transport import LocalTransport, MediaTransports, RemoteTransport, TransportsFull

FULL_RETRY_S: Final = 2


class MediaSections:
    def __init__(
        self,
        transports: MediaTransports,
        router: Router,
        tracks_max: int,
        new_id: Callable[[], str],
    ) -> None:
        self._transports = transports
        self._router = router
        self._tracks_max = tracks_max
        self._new_id = new_id

    def negotiate(self, call: Call, participant: Participant, offer: Offer) -> Answer:
        """Raises Refused; then nothing has changed."""
        description = read_offer(offer.sdp)
        asked = plan(
            offer,
            description,
            call,
            participant,
            self._tracks_max,
            lambda mid: self._codec_in_use(participant, mid),
        )
        local = self._transport(participant, description.transport)
        self._publish(call, participant, asked)
        self._subscribe(participant, asked)
        return self._answer(call, participant, offer, asked, local)

    def _codec_in_use(self, participant: Participant, mid: str) -> Codec | None:
        track = participant.tracks.get(mid)
        return self._router.producer(track.id).codec if track is not None else None

    def _transport(self, participant: Participant, remote: RemoteTransport) -> LocalTransport:
        known = participant.remote
        try:
            if known is None:
                participant.local = self._transports.open(participant.peer, remote)
            elif set(known.fingerprints) != set(remote.fingerprints):
                raise invalid("sdp: the fingerprint has changed; join again")
            elif (known.ufrag, known.password) != (remote.ufrag, remote.password):
                participant.local = self._transports.restart(participant.peer, remote)
        except TransportsFull as error:
            problem = ProblemType.UNAVAILABLE.describe(str(error), retry_after_s=FULL_RETRY_S)
            raise Refused(problem) from None
        participant.remote = remote
        assert participant.local is not None
        return participant.local

    # One's own tracks.

    def _publish(self, call: Call, participant: Participant, asked: Plan) -> None:
        # What ends, first: an SSRC or a mid may come back as another track's.
        for track in list(participant.tracks.values()):
            if not self._goes_on(track, asked.publish.get(track.mid)):
                self.end(call, participant, track)
        for mid, publishing in asked.publish.items():
            muted = publishing.publication.muted
            known = participant.tracks.get(mid)
            if known is None:
                self._begin(call, participant, mid, publishing)
            elif call.mute(participant, known, muted):
                self._router.pause(known.id, muted)

    def _goes_on(self, track: PublishedTrack, publishing: Publishing | None) -> bool:
        if publishing is None or publishing.publication.source is not track.source:
            return False
        producer = self._router.producer(track.id)
        ssrc = publishing.section.ssrc
        return producer.codec == publishing.codec and (ssrc is None or ssrc == producer.ssrc)

    def _begin(
        self, call: Call, participant: Participant, mid: str, publishing: Publishing
    ) -> None:
        publication = publishing.publication
        track = PublishedTrack(
            self._new_id(), participant.id, mid, publication.source, publication.muted
        )
        self._router.publish(participant.peer, track, publishing.section, publishing.codec)
        call.add_track(participant, track)

    def end(self, call: Call, participant: Participant, track: PublishedTrack) -> None:
        self._router.unpublish(track.id)
        call.end_track(participant, track)

    # What one receives.

    def _subscribe(self, participant: Participant, asked: Plan) -> None:
        for mid, consumer in list(self._router.consumers_of(participant.peer).items()):
            wanted = asked.subscribe.get(mid)
            track = wanted.track.id if wanted is not None and wanted.track is not None else None
            if track != consumer.producer.track:
                self._router.stop_consuming(consumer)
        known = self._router.consumers_of(participant.peer)
        for mid, wanted in asked.subscribe.items():
            if mid not in known:
                self._consume(participant, wanted)

    def _consume(self, participant: Participant, wanted: Subscribing) -> None:
        if wanted.track is None:
            return
        sent = self._router.producer(wanted.track.id).codec
        for codec in wanted.section.codecs:
            if codec.same_as(sent):
                self._router.consume(participant.peer, wanted.track.id, wanted.section, codec)
                return

    # The answer.

    def _answer(
        self,
        call: Call,
        participant: Participant,
        offer: Offer,
        asked: Plan,
        local: LocalTransport,
    ) -> Answer:
        consumers = self._router.consumers_of(participant.peer)
        sections = []
        for section in asked.description.sections:
            consumer = consumers.get(section.mid)
            stream = call.tracks[consumer.producer.track].stream if consumer is not None else ""
            publishing = asked.publish.get(section.mid)
            sections.append(answered(section, publishing, consumer, stream))
        participant.answers += 1
        return Answer(
            ref=offer.ref,
            sdp=write_answer(participant.peer, participant.answers, local, sections),
            published={mid: track.id for mid, track in participant.tracks.items()},
            subscribed={mid: consumer.producer.track for mid, consumer in consumers.items()},
        )
