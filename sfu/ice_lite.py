"""ICE-lite (RFC 8445 §2.5) for many clients on one port, sans-IO.

A lite agent answers checks and sends none. A client is found by the user name of its check, which must be
signed with the password that we gave it; from then on its address is *valid*, and the address that it
nominates is where everything for it is sent. What is not authentic is dropped without an answer and
changes nothing (RFC 7675: nothing but a valid check is consent).

A client that moves (its address translation made another port of it) is followed at its first nomination
from there. Chromium says USE-CANDIDATE with every check of the pair it has chosen, and checks others to
have them in reserve: nothing else moves it. aioice says it once: such a client is followed to where its
valid checks come from as soon as the nominated address has been silent for REBIND_SILENCE_S.
"""

from dataclasses import dataclass, field
from typing import Final

from sfu.plane import SocketAddress
from turn import stun
from turn.stun import Attribute, Class, Malformed, Message, Method

VALID_ADDRESSES_MAX: Final = 8
"""Of one client: its interfaces, and its relay's."""
REBIND_SILENCE_S: Final = 1.0
RENOMINATION_S: Final = 1.0
"""A nomination of the same address so much later is no retransmission: this client always says it."""
_KNOWN: Final = frozenset(
    {
        Attribute.USERNAME,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.PRIORITY,
        Attribute.USE_CANDIDATE,
    }
)


@dataclass(slots=True)
class Agent:
    """Our side of one client's ICE session."""

    peer: int
    ufrag: str
    password: str
    remote_ufrag: str
    opened_s: float
    checked_s: float
    """When the last valid check came; at first, when the session was opened."""
    heard_s: float = 0.0
    """When the nominated address was last heard: a valid check or authentic media."""
    nominated: SocketAddress | None = None
    nominated_s: float = 0.0
    renominates: bool = False
    """Whether its checks of the nominated pair go on to nominate it."""
    valid: dict[SocketAddress, float] = field(default_factory=dict)
    """When a valid check last came from there."""

    def nominate(self, address: SocketAddress, now_s: float) -> None:
        self.nominated, self.nominated_s, self.heard_s = address, now_s, now_s

    def went_to(self, now_s: float) -> SocketAddress | None:
        """Where it must be by now, if it is not where it was nominated."""
        if self.nominated is None or self.renominates or now_s - self.heard_s < REBIND_SILENCE_S:
            return None
        newest = max(self.valid, key=lambda each: self.valid[each], default=self.nominated)
        elsewhere = newest != self.nominated and self.valid[newest] > self.heard_s
        return newest if elsewhere else None


@dataclass(frozen=True, slots=True)
class Checked:
    """A valid check was answered. `moved`: what is sent to this peer goes to `source` from now on."""

    agent: Agent
    source: SocketAddress
    reply: bytes
    moved: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """`reply`: to an authentic check that cannot be granted; nothing to any other."""

    reason: str
    reply: bytes | None = None


class IceLite:
    def __init__(self) -> None:
        self._by_ufrag: dict[str, Agent] = {}
        self._by_address: dict[SocketAddress, Agent] = {}

    def __len__(self) -> int:
        return len(set(map(id, self._by_ufrag.values())))

    def open(self, peer: int, ufrag: str, password: str, remote_ufrag: str, now_s: float) -> Agent:
        """Raises ValueError for a user name fragment that is in use."""
        if ufrag in self._by_ufrag:
            raise ValueError("the ufrag is in use")
        agent = Agent(peer, ufrag, password, remote_ufrag, opened_s=now_s, checked_s=now_s)
        self._by_ufrag[ufrag] = agent
        return agent

    def restart(self, agent: Agent, ufrag: str, password: str, remote_ufrag: str) -> None:
        """RFC 8445 §9: other credentials; the old ones end, media goes on where it went."""
        if ufrag in self._by_ufrag:
            raise ValueError("the ufrag is in use")
        del self._by_ufrag[agent.ufrag]
        agent.ufrag, agent.password, agent.remote_ufrag = ufrag, password, remote_ufrag
        self._by_ufrag[ufrag] = agent

    def close(self, agent: Agent) -> None:
        if self._by_ufrag.get(agent.ufrag) is agent:
            del self._by_ufrag[agent.ufrag]
        for address in agent.valid:
            if self._by_address.get(address) is agent:
                del self._by_address[address]

    def at(self, source: SocketAddress) -> Agent | None:
        """Whose valid address this is."""
        return self._by_address.get(source)

    def received(self, datagram: bytes, source: SocketAddress, now_s: float) -> Checked | Refused:
        """One STUN message. §7.3, as far as a lite agent goes."""
        try:
            message = stun.parse(datagram)
        except Malformed:
            return Refused("malformed")
        if message.method != Method.BINDING or message.kind != Class.REQUEST:
            return Refused("not-a-check")
        agent = self._authentic(message)
        if agent is None:
            return Refused("unauthentic")
        refused = _not_granted(message, agent)
        if refused is not None:
            return refused
        return self._checked(message, agent, source, now_s)

    def _authentic(self, message: Message) -> Agent | None:
        """§7.2.2: USERNAME is `ours:theirs`, the key is our password."""
        name = message.attributes.get(Attribute.USERNAME, b"")
        ours, _, theirs = name.decode("latin-1").partition(":")
        agent = self._by_ufrag.get(ours)
        if agent is None or theirs != agent.remote_ufrag:
            return None
        return agent if message.is_authentic(agent.password.encode()) else None

    def _checked(
        self, message: Message, agent: Agent, source: SocketAddress, now_s: float
    ) -> Checked | Refused:
        owner = self._by_address.get(source)
        if owner is not None and owner is not agent:
            if owner.nominated == source:
                return Refused("address-taken")
            owner.valid.pop(source, None)
        self._note_valid(agent, source, now_s)
        moves = self._moves(message, agent, source, now_s)
        if moves:
            agent.nominate(source, now_s)
        agent.checked_s = now_s
        if agent.nominated == source:
            agent.heard_s = now_s
        reply = stun.encode(
            Method.BINDING,
            Class.SUCCESS,
            message.transaction_id,
            [
                (
                    Attribute.XOR_MAPPED_ADDRESS,
                    stun.encode_xor_address(source, message.transaction_id),
                )
            ],
            key=agent.password.encode(),
            fingerprint=True,
        )
        return Checked(agent, source, reply, moves)

    def _note_valid(self, agent: Agent, source: SocketAddress, now_s: float) -> None:
        if source not in agent.valid and len(agent.valid) >= VALID_ADDRESSES_MAX:
            others = [each for each in agent.valid if each != agent.nominated]
            oldest = min(others, key=lambda each: agent.valid[each])
            del agent.valid[oldest]
            self._by_address.pop(oldest, None)
        agent.valid[source] = now_s
        self._by_address[source] = agent

    @staticmethod
    def _moves(message: Message, agent: Agent, source: SocketAddress, now_s: float) -> bool:
        """Whether this check makes `source` the nominated address (§7.3.1.5, §8.2)."""
        nominates = Attribute.USE_CANDIDATE in message.attributes
        if agent.nominated == source:
            agent.renominates |= nominates and now_s - agent.nominated_s >= RENOMINATION_S
            return False
        return nominates or agent.went_to(now_s) == source

    def follow(self, now_s: float) -> list[Agent]:
        """Those who have gone elsewhere since they were nominated; they are nominated there. A check
        that came too soon after the old address fell silent counts here; the next may take 5 s."""
        moved = []
        for agent in self._by_ufrag.values():
            address = agent.went_to(now_s)
            if address is not None:
                agent.nominate(address, now_s)
                moved.append(agent)
        return moved


def _not_granted(message: Message, agent: Agent) -> Refused | None:
    key = agent.password.encode()
    unknown = message.unknown(_KNOWN)
    if unknown:
        attributes = [
            (Attribute.ERROR_CODE, stun.encode_error(420, "Unknown Attribute")),
            (Attribute.UNKNOWN_ATTRIBUTES, stun.encode_unknown(unknown)),
        ]
        return Refused("unknown-attribute", _error(message, attributes, key))
    if Attribute.ICE_CONTROLLED in message.attributes:
        # §7.3.1.1: both controlled. A lite agent stays so, whatever the tie-breaker says.
        conflict = [(Attribute.ERROR_CODE, stun.encode_error(487, "Role Conflict"))]
        return Refused("role-conflict", _error(message, conflict, key))
    return None


def _error(message: Message, attributes: list[tuple[Attribute, bytes]], key: bytes) -> bytes:
    return stun.encode(
        Method.BINDING, Class.ERROR, message.transaction_id, attributes, key=key, fingerprint=True
    )
