"""All calls of a node on stand-ins, with a clock and randomness of the test's."""

import itertools
import random
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from backplane.tickets import JoinClaims
from ringline.protocol.sfu import Answer, Joined, Offer, Publication, TrackSource
from ringline.protocol.types import Address
from sfu.calls import Calls
from sfu.participant import Participant
from sfu.settings import SfuSettings
from tests.unit.sfu.offers import offer
from tests.unit.sfu.stand_ins import WrittenOutlet, WrittenTransports

CAMERA = Publication(TrackSource.CAMERA)
MICROPHONE = Publication(TrackSource.MICROPHONE)


class Person:
    def __init__(self, participant: Participant, outlet: WrittenOutlet) -> None:
        self.stay = participant
        self.outlet = outlet
        joined = outlet.take()[-1]
        assert isinstance(joined, Joined)
        self.joined = joined


class CallsStage:
    def __init__(self, settings: SfuSettings | None = None) -> None:
        self.now = 1000.0
        self.random = random.Random(1)
        self.over: list[UUID] = []
        self.transports = WrittenTransports()
        self.plane = self.transports.written
        self.calls = Calls(
            settings or SfuSettings(), lambda: self.now, self.random.randbytes, self.over.append
        )
        self.calls.attach(self.transports)
        self._tickets = itertools.count(1)

    def join(self, call: UUID, account: UUID | None = None, name: str = "") -> Person:
        outlet = WrittenOutlet()
        claims = JoinClaims(
            device=Address(account or uuid4(), 1),
            call=call,
            node="sfu",
            id=str(next(self._tickets)),
            issued_at_s=100,
            expires_at_s=130,
        )
        return Person(self.calls.join(claims, name, 1, outlet), outlet)

    def connect(self, person: Person) -> None:
        """Its media."""
        peer = person.stay.peer
        assert peer in self.transports.open_peers
        self.plane.peers.add(peer)
        self.calls.on_connected(peer, "SRTP_AEAD_AES_128_GCM")

    def offer(
        self,
        person: Person,
        sections: Sequence[list[str]],
        publish: Mapping[str, Publication] | None = None,
        subscribe: Mapping[str, str] | None = None,
    ) -> Answer:
        frame = Offer(
            ref=7,
            sdp=offer(*sections),
            publish=dict(publish or {}),
            subscribe=dict(subscribe or {}),
        )
        return self.calls.offer(person.stay, frame)
