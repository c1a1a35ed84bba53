"""The registry's ports: everything short-lived that every node must agree on.

Adapters: `redis.py` (Lua per atomic step) and `memory.py`, one suite on both. Losing all of it
loses nothing a person sent: leases come again, tokens are bought again, codes are asked for again.
Lifetimes run on the registry's own clock. Every method may raise Unavailable (deadline 2 s).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from ringline.protocol.types import Address


@dataclass(frozen=True, slots=True)
class Lease:
    """A device is on line on this node. The fence rises with every acquisition of that device."""

    address: Address
    node: str
    session: str
    fence: int


@dataclass(frozen=True, slots=True)
class Location:
    node: str
    session: str
    fence: int


@dataclass(frozen=True, slots=True)
class AccountPresence:
    online: bool
    last_seen: int | None
    """UTC milliseconds; None: never."""


class PresenceRegistry(Protocol):
    async def acquire(
        self, address: Address, node: str, session: str
    ) -> tuple[Lease, Location | None]:
        """Take the device's lease, whoever held it: the new lease and whom it displaced."""

    async def renew(self, leases: Sequence[Lease]) -> list[bool]:
        """Extend each lease by its full life. A lease that vanished (expiry, flush) comes back unless
        somebody newer holds it; False: displaced."""

    async def release(self, lease: Lease, at: int) -> bool:
        """End it unless somebody newer holds it, and note the account's last seen time: whether it was ours."""

    async def locate(self, addresses: Sequence[Address]) -> list[Location | None]: ...

    async def presence(self, accounts: Sequence[UUID]) -> list[AccountPresence]: ...


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token stands for."""

    address: Address
    expires_at: int


class TokenRegistry(Protocol):
    """Access tokens by the SHA-256 of their text; at most 16 live ones per device, the oldest goes."""

    async def put(self, token_hash: bytes, grant: Grant, lifetime_ms: int) -> None: ...

    async def get(self, token_hash: bytes) -> Grant | None: ...

    async def revoke(self, address: Address) -> int:
        """End every token of the device: how many."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A registration under way: a code sent to a number."""

    number: str
    code_hash: bytes
    attempts_max: int


class ChallengeRegistry(Protocol):
    """One-time codes. A number has at most one live code: a new one kills the old."""

    async def put(
        self, registration_hash: bytes, challenge: Challenge, lifetime_ms: int
    ) -> None: ...

    async def number(self, registration_hash: bytes) -> str | None:
        """Whose number this live registration is for."""

    async def attempt(self, registration_hash: bytes, code_hash: bytes) -> str | None:
        """One try, counted before it is compared: the number if right (the code is then used up), else None.
        Past `attempts_max` the code is dead, even for the right answer."""


class LinkRegistry(Protocol):
    """Codes that a logged-in device shows to let another device join. One live per account."""

    async def put(self, code_hash: bytes, account: UUID, lifetime_ms: int) -> None: ...

    async def take(self, code_hash: bytes) -> UUID | None:
        """The account, once."""


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` within any `window_s` (fixed windows that start with the first spending)."""

    key: str
    limit: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    key: str
    retry_after_s: int


class LimitRegistry(Protocol):
    async def spend(self, budgets: Sequence[Budget], amount: int = 1) -> Exhausted | None:
        """Spend from all or, if one has too little, from none: that one."""

    async def spend_distinct(
        self, budget: Budget, members: Sequence[bytes]
    ) -> tuple[list[bool], int]:
        """Members seen before in the window are free, each new one costs 1: which are allowed, in order, and what is left."""


@dataclass(frozen=True, slots=True)
class Node:
    node: str
    role: str
    address: str
    load: float
    """0 idle … 1 full."""


class NodeRegistry(Protocol):
    async def announce(self, node: Node, lifetime_ms: int) -> None: ...

    async def withdraw(self, node: str) -> None: ...

    async def nodes(self, role: str) -> list[Node]: ...


class PlacementRegistry(Protocol):
    """Which node a group call is on. A lease: the node renews it while the call is there."""

    async def place(self, call: UUID, node: str, lifetime_ms: int) -> str:
        """The node that has the call; `node` if none had."""

    async def hold(self, calls: Sequence[UUID], node: str, lifetime_ms: int) -> list[bool]:
        """The node says that these are there: extended, or (after a flush) put back; False: another
        node's."""

    async def release(self, call: UUID, node: str) -> None:
        """Unless it is another node's."""


class RelayDeadlineRegistry(Protocol):
    """Until when relay allocations of a call may be refreshed, where that is not the credential's
    own time. Forgotten (flush): the credential's time counts."""

    async def put(self, call: UUID, until: int, lifetime_ms: int) -> None:
        """UTC milliseconds."""

    async def put_new(self, call: UUID, until: int, lifetime_ms: int) -> None:
        """Unless there is one."""

    async def get(self, call: UUID) -> int | None: ...

    async def lift(self, call: UUID) -> None: ...


class RemovalRegistry(Protocol):
    """Accounts that were removed from group calls: their tickets from before are void."""

    async def put(self, call: UUID, account: UUID, at: int, lifetime_ms: int) -> None: ...

    async def get(self, call: UUID, account: UUID) -> int | None:
        """UTC milliseconds of the last removal."""


class Registry(Protocol):
    presence: PresenceRegistry
    tokens: TokenRegistry
    challenges: ChallengeRegistry
    links: LinkRegistry
    limits: LimitRegistry
    nodes: NodeRegistry
    placements: PlacementRegistry
    relay_deadlines: RelayDeadlineRegistry
    removals: RemovalRegistry

    async def probe(self) -> None:
        """One round trip."""

    async def shut(self) -> None: ...
