"""All calls of this node: joining, coming back, leaving, and what ends a stay. Sans-IO.

`now` is the loop's monotonic clock in seconds; only tickets and removals have UTC.
"""

import base64
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from uuid import UUID

from backplane.tickets import JoinClaims
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from ringline.protocol.sfu import Answer, Joined, LeaveReason, MediaConnected, Offer
from sfu.call import Call
from sfu.errors import Refused
from sfu.feedback import Feedback
from sfu.media_sections import MediaSections
from sfu.participant import NORMAL_CLOSURE, Outlet, Participant
from sfu.producer import Producer
from sfu.rate_budget import RateBudget
from sfu.router import Router
from sfu.settings import SfuSettings
from sfu.transport import MediaTransports

EMPTY_CALL_KEPT_S: Final = 60
ID_BYTES: Final = 12
SECRET_BYTES: Final = 32
FULL_RETRY_S: Final = 10

_ENDS: Final[Mapping[LeaveReason, int]] = {
    LeaveReason.LEFT: NORMAL_CLOSURE,
    LeaveReason.SILENT: CloseCode.MEDIA_LOST,
    LeaveReason.FAILED: CloseCode.MEDIA_LOST,
    LeaveReason.REMOVED: CloseCode.REMOVED,
    LeaveReason.CALL_ENDED: CloseCode.CALL_ENDED,
    LeaveReason.REPLACED: CloseCode.REPLACED,
}
_MEDIA_ENDED: Final = {
    "failed": LeaveReason.FAILED,
    "silent": LeaveReason.SILENT,
    "closed": LeaveReason.LEFT,
}


class Calls:
    """`attach` the transports before anybody joins. Observes them and the plane."""

    def __init__(
        self,
        settings: SfuSettings,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        over: Callable[[UUID], None],
    ) -> None:
        """`over` is called when a call is forgotten."""
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._over = over
        self._calls: dict[UUID, Call] = {}
        self._by_peer: dict[int, tuple[Call, Participant]] = {}
        self._by_secret: dict[bytes, int] = {}
        """Peer, by the SHA-256 of the resume secret."""
        self._peers = itertools.count(1)
        self.counts: Counter[str] = Counter()
        """Stays by how they began and ended; what was refused."""

    def attach(self, transports: MediaTransports) -> None:
        settings, plane = self._settings, transports.plane
        self._transports = transports
        self.router = Router(
            plane,
            settings.keyframe_request_interval_ms / 1000,
            self._entropy,
            self._want_keyframe,
        )
        self.feedback = Feedback(
            plane, self.router, settings.video_bitrate_max, self._clock, self._said_goodbye
        )
        self._sections = MediaSections(
            transports, self.router, settings.tracks_per_participant_max, self._new_id
        )

    # Who is there.

    def __len__(self) -> int:
        """Participants."""
        return len(self._by_peer)

    def ids(self) -> list[UUID]:
        return list(self._calls)

    def participants(self) -> Iterator[tuple[UUID, Participant]]:
        return ((call.id, participant) for call, participant in list(self._by_peer.values()))

    # Coming and going.

    def join(self, claims: JoinClaims, name: str, ref: int, outlet: Outlet) -> Participant:
        """The ticket was checked. Tells the outlet `joined`, the others `participant-joined`. Raises
        Refused when there is no room."""
        now_s = self._clock()
        call = self._calls.get(claims.call)
        older = call.of_device(claims.device) if call is not None else None
        self._make_room(call, older is not None)
        if call is None:
            call = self._calls[claims.call] = Call(claims.call, now_s)
        if older is not None:
            self._end(call, older, LeaveReason.REPLACED)
        participant = Participant(
            id=self._new_id(),
            peer=next(self._peers),
            device=claims.device,
            name=name,
            joined_at_s=float(claims.issued_at_s),
            offers=RateBudget(self._settings.offers_per_s, self._settings.offers_burst),
            outlet=outlet,
        )
        self._by_peer[participant.peer] = call, participant
        call.enter(participant)
        self.counts["joined"] += 1
        outlet.send(self._joined(call, participant, ref, resumed=False))
        return participant

    def _make_room(self, call: Call | None, replaces: bool) -> None:
        settings, more = self._settings, 0 if replaces else 1
        if call is None and len(self._calls) >= settings.calls_max:
            raise self._full("this node has as many calls as it may")
        if len(self._by_peer) + more > settings.participants_max:
            raise self._full("this node has as many participants as it may")
        if call is not None and (
            len(call.participants) + more > settings.participants_per_call_max
        ):
            raise self._full("the call has as many participants as it may")

    def _full(self, detail: str) -> Refused:
        self.counts["full"] += 1
        return Refused(ProblemType.UNAVAILABLE.describe(detail, retry_after_s=FULL_RETRY_S))

    def resume(self, secret: str, ref: int, outlet: Outlet) -> Participant | None:
        """None: no stay has this secret (any more)."""
        peer = self._by_secret.get(_hash(secret))
        if peer is None:
            self.counts["resume-refused"] += 1
            return None
        call, participant = self._by_peer[peer]
        older, participant.outlet = participant.outlet, outlet
        participant.lost_until_s = None
        if older is not None:
            older.close(CloseCode.REPLACED)
        self.counts["resumed"] += 1
        outlet.send(self._joined(call, participant, ref, resumed=True))
        return participant

    def _joined(self, call: Call, participant: Participant, ref: int, resumed: bool) -> Joined:
        secret = _text(self._entropy(SECRET_BYTES))
        self._by_secret.pop(participant.secret_hash, None)
        participant.secret_hash = _hash(secret)
        self._by_secret[participant.secret_hash] = participant.peer
        listed = [other.describe() for other in call.others(participant)]
        if resumed:
            listed.append(participant.describe())
        return Joined(
            ref=ref,
            call=call.id,
            participant=participant.id,
            resume_secret=secret,
            resumed=resumed,
            heartbeat_s=self._settings.heartbeat_interval_s,
            participants=listed,
        )

    def lost(self, participant: Participant, outlet: Outlet) -> None:
        """That connection is gone; media goes on, and the stay waits for another."""
        if participant.outlet is outlet:
            participant.outlet = None
            participant.lost_until_s = self._clock() + self._settings.resume_timeout_s

    def leave(self, participant: Participant) -> None:
        self._end_stay(participant.peer, LeaveReason.LEFT)

    # Media.

    def offer(self, participant: Participant, offer: Offer) -> Answer:
        """Raises Refused; then nothing has changed."""
        call = self._call_of(participant)
        wait_s = participant.offers.take(self._clock())
        if wait_s:
            self.counts["offer-rate-limited"] += 1
            problem = ProblemType.RATE_LIMITED.describe(retry_after_s=max(1, -int(-wait_s // 1)))
            raise Refused(problem)
        return self._sections.negotiate(call, participant, offer)

    def mute(self, participant: Participant, track: str, muted: bool) -> None:
        """Raises Refused for a track that is not one's own."""
        call = self._call_of(participant)
        known = call.tracks.get(track)
        if known is None or known.participant != participant.id:
            raise Refused(ProblemType.NOT_FOUND.describe("no track of one's own has that id"))
        if call.mute(participant, known, muted):
            self.router.pause(track, muted)

    def _call_of(self, participant: Participant) -> Call:
        found = self._by_peer.get(participant.peer)
        if found is None:
            raise Refused(ProblemType.CALL_STATE.describe("this stay has ended"))
        return found[0]

    def on_connected(self, peer: int, profile: str) -> None:
        found = self._by_peer.get(peer)
        if found is not None:
            self.counts[f"connected {profile}"] += 1
            self.router.connected(peer)
            found[1].tell(MediaConnected())

    def on_ended(self, peer: int, reason: str) -> None:
        ended = _MEDIA_ENDED.get(reason, LeaveReason.FAILED)
        self._end_stay(peer, ended, CloseCode.MEDIA_LOST)

    def on_rtcp(self, peer: int, packet: bytes) -> None:
        self.feedback.received(peer, packet)

    def on_unknown_stream(self, peer: int, ssrc: int, mid: bytes, payload_type: int) -> None:
        self.router.unknown_stream(peer, ssrc, mid, payload_type)

    def _want_keyframe(self, producer: Producer) -> None:
        self.feedback.want_keyframe(producer)

    def _said_goodbye(self, producer: Producer) -> None:
        call, participant = self._by_peer[producer.peer]
        self._sections.end(call, participant, call.tracks[producer.track])

    # What others decide.

    def member_removed(self, call: UUID, account: UUID) -> None:
        known = self._calls.get(call)
        for participant in list(known.participants.values()) if known is not None else []:
            if participant.device.account == account:
                self._end_stay(participant.peer, LeaveReason.REMOVED)

    def call_ended(self, call: UUID) -> None:
        self._end_call(call, LeaveReason.CALL_ENDED)

    def call_elsewhere(self, call: UUID) -> None:
        """Another node has it: who is here joins again, there."""
        self._end_call(call, LeaveReason.FAILED)

    def _end_call(self, call: UUID, reason: LeaveReason) -> None:
        known = self._calls.get(call)
        if known is not None:
            for participant in list(known.participants.values()):
                self._end(known, participant, reason)
            self._forget(known)

    def _end_stay(self, peer: int, reason: LeaveReason, code: int | None = None) -> None:
        found = self._by_peer.get(peer)
        if found is not None:
            self._end(*found, reason, code)

    def _end(
        self, call: Call, participant: Participant, reason: LeaveReason, code: int | None = None
    ) -> None:
        self.counts[f"ended {reason.value}"] += 1
        del self._by_peer[participant.peer]
        self._by_secret.pop(participant.secret_hash, None)
        self.router.forget(participant.peer)
        self._transports.close(participant.peer)
        call.exit(participant, reason, self._clock())
        outlet, participant.outlet = participant.outlet, None
        if outlet is not None:
            outlet.close(_ENDS[reason] if code is None else code)

    # Time.

    def tick(self) -> None:
        """Call every 50 ms or so."""
        self.feedback.tick()

    def expire(self) -> None:
        """Call about once a second: stays that nobody came back to, calls that nobody is in."""
        now_s = self._clock()
        for _, participant in list(self._by_peer.values()):
            if participant.lost_until_s is not None and now_s >= participant.lost_until_s:
                self._end_stay(participant.peer, LeaveReason.SILENT)
        for call in list(self._calls.values()):
            since_s = call.empty_since_s
            if since_s is not None and now_s - since_s >= EMPTY_CALL_KEPT_S:
                self._forget(call)

    def _forget(self, call: Call) -> None:
        del self._calls[call.id]
        self._over(call.id)

    def _new_id(self) -> str:
        return _text(self._entropy(ID_BYTES))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
