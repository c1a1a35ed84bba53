"""An allocation: one client's relayed address, its permissions and channels (RFC 8656 §5)."""

from dataclasses import dataclass, field
from typing import Final, Protocol

from backplane.relay_credentials import CredentialName
from turn.stun import Address

CHANNEL_MIN: Final = 0x4000
CHANNEL_MAX: Final = 0x4FFF
"""§12: the others are reserved."""


class RelayedPort(Protocol):
    """The allocation's own socket."""

    @property
    def address(self) -> Address:
        """As bound."""

    def send(self, data: bytes, peer: Address) -> bool:
        """False: the system did not take it."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Channel:
    number: int
    peer: Address
    """As the client names it."""
    target: Address
    """Where its datagrams really go."""
    expires_s: float


@dataclass(slots=True)
class Allocation:
    client: Address
    username: str
    credential: CredentialName
    key: bytes
    """What the client's messages are signed with."""
    port: RelayedPort
    relayed: Address
    """As the client is told."""
    transaction_id: bytes
    """Of the Allocate, whose reply may have to be repeated (§7.2)."""
    expires_s: float
    group: str
    """What its client's address counts as, for the quota."""
    permissions: dict[str, float] = field(default_factory=dict)
    """Peer's IP address: when it ends (§9)."""
    channels: dict[int, Channel] = field(default_factory=dict)
    channel_of: dict[Address, Channel] = field(default_factory=dict)
    refreshing: bool = False
    """One refresh at a time asks the registry."""

    def permits(self, host: str, now_s: float) -> bool:
        return self.permissions.get(host, 0.0) > now_s

    def forget_expired(self, now_s: float) -> None:
        """Permissions and channels that have ended."""
        self.permissions = {host: end for host, end in self.permissions.items() if end > now_s}
        for channel in [each for each in self.channels.values() if each.expires_s <= now_s]:
            del self.channels[channel.number]
            del self.channel_of[channel.peer]
