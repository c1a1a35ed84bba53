"""The bus: small messages between nodes, at most once. Adapters: `redis.py`, `memory.py`.

Nothing that must arrive travels here alone: a lost wake-up is made good by the next one, by the
`on_gap` call (the connection was away; look at everything again) or by the gateway's slow poll.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from ringline.protocol.types import (
    AccountId,
    Address,
    CallId,
    ConversationId,
    PresenceState,
    TypingState,
)


class BusMessage(Struct, frozen=True, tag_field="type", kw_only=True):
    pass


class Wake(BusMessage, tag="wake", frozen=True, kw_only=True):
    """These devices' queues have something new. To the nodes that hold them."""

    addresses: list[Address]


class Displaced(BusMessage, tag="displaced", frozen=True, kw_only=True):
    """The device is on line elsewhere now, by a higher fence. To the node that held it."""

    address: Address
    fence: int


class Revoked(BusMessage, tag="revoked", frozen=True, kw_only=True):
    """These devices are no more. To every node."""

    addresses: list[Address]
    replaced: bool
    """The number was registered again (close code ACCOUNT_REPLACED), else DEVICE_REVOKED."""


class PresenceChanged(BusMessage, tag="presence", frozen=True, kw_only=True):
    """To every node."""

    account: AccountId
    state: PresenceState
    last_seen: int | None


class TypingRelayed(BusMessage, tag="typing", frozen=True, kw_only=True):
    """To the nodes that hold the account's devices."""

    recipient: AccountId
    sender: Address
    conversation: ConversationId
    state: TypingState


class MemberRemoved(BusMessage, tag="member-removed", frozen=True, kw_only=True):
    """An account may be in this group call no more. To every node."""

    call: CallId
    account: AccountId


class GroupCallEnded(BusMessage, tag="group-call-ended", frozen=True, kw_only=True):
    """To every node."""

    call: CallId


AnyBusMessage = (
    Wake | Displaced | Revoked | PresenceChanged | TypingRelayed | MemberRemoved | GroupCallEnded
)


class Bus(Protocol):
    async def start(
        self, node: str, on_message: Callable[[AnyBusMessage], None], on_gap: Callable[[], None]
    ) -> None:
        """Listen for what is sent to `node` and to all. The callbacks must not block.
        `on_gap` is called whenever messages may have been missed. Starts even while Redis is away."""

    async def tell(self, nodes: Sequence[str], message: AnyBusMessage) -> None:
        """To these nodes. Raises Unavailable (deadline 2 s)."""

    async def tell_all(self, message: AnyBusMessage) -> None:
        """To every node, this one included. Raises Unavailable (deadline 2 s)."""

    async def shut(self) -> None: ...
