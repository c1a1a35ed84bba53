"""One device's stay in one call."""

from dataclasses import dataclass, field
from typing import Final, Protocol

from ringline.protocol.sfu import AnySfuServerFrame
from ringline.protocol.sfu import Participant as ParticipantState
from ringline.protocol.types import Address
from sfu.rate_budget import RateBudget
from sfu.track import PublishedTrack
from sfu.transport import LocalTransport, RemoteTransport

NORMAL_CLOSURE: Final = 1000


class Outlet(Protocol):
    """The connection that a participant is told things by; returns at once."""

    def send(self, frame: AnySfuServerFrame) -> None: ...

    def close(self, code: int) -> None:
        """A CloseCode, or NORMAL_CLOSURE."""


@dataclass(slots=True, eq=False)
class Participant:
    id: str
    peer: int
    """Its number in the plane and the transports."""
    device: Address
    name: str
    joined_at_s: float
    """UTC, as the ticket was issued."""
    offers: RateBudget
    outlet: Outlet | None
    secret_hash: bytes = b""
    lost_until_s: float | None = None
    """Without a connection: when the stay ends."""
    tracks: dict[str, PublishedTrack] = field(default_factory=dict)
    """By mid."""
    remote: RemoteTransport | None = None
    local: LocalTransport | None = None
    answers: int = 0

    def tell(self, frame: AnySfuServerFrame) -> None:
        """Nothing while it has no connection: the whole state follows when it comes back."""
        if self.outlet is not None:
            self.outlet.send(frame)

    def describe(self) -> ParticipantState:
        return ParticipantState(
            participant=self.id,
            account=self.device.account,
            device=self.device.device,
            name=self.name,
            tracks=[track.describe() for track in self.tracks.values()],
        )
