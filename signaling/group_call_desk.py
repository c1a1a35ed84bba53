"""Group calls at the gateway: who may join, and on which node.

Admission: the creator, the members, and whoever is logged in and shows the link's token, which makes a
member. A removed account does not come back, by whatever way. The record lasts; the node is a lease.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final
from uuid import UUID

from backplane.bus.ports import Bus, GroupCallEnded, MemberRemoved
from backplane.registry.ports import Budget, Registry
from backplane.storage.group_calls import GroupCallRecord
from backplane.storage.records import Records
from backplane.telemetry.metrics import Metrics
from backplane.tickets import TicketSigner
from messaging.errors import rate_limited, refuse
from messaging.secret import Entropy, make_token
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address

ROLE: Final = "sfu"
PLACEMENT_MS: Final = 60_000
"""Until the node itself holds the call: the one who is sent there has this long to arrive."""
LIFETIME_MS: Final = limits.GROUP_CALL_LIFETIME_S_MAX * 1000
RETENTION_MS: Final = 30 * 24 * 3600 * 1000
"""An ended call is shown this long."""
SWEEP_CALLS_MAX: Final = 100
TICKET_ID_BYTES: Final = 16


class GroupCallDesk:
    def __init__(
        self,
        *,
        records: Records,
        registry: Registry,
        bus: Bus,
        signer: TicketSigner | None,
        metrics: Metrics,
        calls_per_account_hour: int,
        tickets_per_account_minute: int,
        clock: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self._records = records
        self._registry = registry
        self._bus = bus
        self._signer = signer
        self._metrics = metrics
        self._calls_per_account_hour = calls_per_account_hour
        self._tickets_per_account_minute = tickets_per_account_minute
        self._clock = clock
        self._entropy = entropy

    async def create(self, caller: Address, wish: resources.NewGroupCall) -> resources.GroupCall:
        """Again with the same id: the call as it is. Raises Refused (id-reused, rate-limited)."""
        await self._spend(
            Budget(f"group-call:{caller.account}", self._calls_per_account_hour, 3600)
        )
        if await self._records.call(wish.call) is not None:
            raise refuse(ProblemType.ID_REUSED)
        record = GroupCallRecord(
            call=wish.call,
            creator=caller.account,
            members=tuple(set(wish.members) - {caller.account}),
            link_token=make_token(self._entropy),
            created_at=self._clock(),
        )
        made = await self._records.group_calls.create(record)
        if made is None:
            raise refuse(ProblemType.ID_REUSED)
        # Who gathered addresses before this call was made may go on to use the relay for it.
        if self._ended_at(made) is None:
            await self._registry.relay_deadlines.lift(wish.call)
        self._count("created")
        return self._describe(made)

    async def show(self, caller: Address, call: UUID) -> resources.GroupCall:
        """Raises Refused (not-found)."""
        return self._describe(await self._of_member(caller, call))

    async def ticket(
        self, caller: Address, call: UUID, wish: resources.NewJoinTicket
    ) -> resources.JoinTicket:
        """Raises Refused (not-found, forbidden, call-state, rate-limited, unavailable)."""
        if self._signer is None:
            raise refuse(ProblemType.UNAVAILABLE, "this server has no key for join tickets")
        await self._spend(Budget(f"ticket:{caller.account}", self._tickets_per_account_minute, 60))
        # Before anything is read: a removal that this misses is later than the ticket, which the
        # node then refuses.
        now_s = self._clock() // 1000
        await self._admit(caller, call, wish.link_token)
        node = await self._place(call)
        id_ = urlsafe_b64encode(self._entropy(TICKET_ID_BYTES)).rstrip(b"=").decode()
        self._metrics.join_tickets_issued.inc()
        return resources.JoinTicket(
            ticket=self._signer.sign(caller, call, node, id_, now_s),
            node=node,
            path=f"/v1/sfu/{node}",
            expires_at=(now_s + limits.JOIN_TICKET_LIFETIME_S) * 1000,
        )

    async def remove_member(self, caller: Address, call: UUID, account: UUID) -> None:
        """At once, for good, and also of somebody who has not come yet. Raises Refused (not-found,
        forbidden, invalid)."""
        await self._of_creator(caller, call)
        if account == caller.account:
            raise refuse(ProblemType.INVALID, "account: whoever made the call ends it instead")
        most = limits.GROUP_CALL_MEMBERS_MAX
        now = self._clock()
        if not await self._records.group_calls.remove_member(call, account, now, most):
            # Nobody new can come in any more, this account neither.
            raise refuse(ProblemType.FORBIDDEN, "the call has as many members as it may")
        await self._registry.removals.put(call, account, self._clock(), LIFETIME_MS)
        await self._bus.tell_all(MemberRemoved(call=call, account=account))
        self._count("member-removed")

    async def end(self, caller: Address, call: UUID) -> None:
        """For everybody. Raises Refused (not-found, forbidden)."""
        await self._of_creator(caller, call)
        await self._records.group_calls.end(call, self._clock())
        await self._tell_ended(call)
        self._count("ended")

    async def sweep(self) -> int:
        """End the calls that are too old, and forget those that ended long ago: how many ended."""
        now = self._clock()
        group_calls = self._records.group_calls
        expired = await group_calls.aged(now - LIFETIME_MS, SWEEP_CALLS_MAX)
        for call in expired:
            # Told first: what fails is done again by the next sweep.
            await self._tell_ended(call)
            if await group_calls.end(call, now):
                self._count("expired")
        await group_calls.forget(now - RETENTION_MS, SWEEP_CALLS_MAX)
        return len(expired)

    async def _tell_ended(self, call: UUID) -> None:
        await self._registry.relay_deadlines.put(call, self._clock(), LIFETIME_MS)
        await self._bus.tell_all(GroupCallEnded(call=call))

    async def _admit(self, caller: Address, call: UUID, link_token: str | None) -> None:
        record = await self._records.group_calls.show(call)
        if record is None:
            raise refuse(ProblemType.NOT_FOUND)
        known = caller.account in (record.creator, *record.members)
        if not known and not _is_right(link_token, record):
            raise refuse(ProblemType.NOT_FOUND)
        if caller.account in record.removed:
            raise refuse(ProblemType.FORBIDDEN, "this account was removed from the call")
        if self._ended_at(record) is not None:
            raise refuse(ProblemType.CALL_STATE, "the call has ended")
        if not known:
            await self._add(call, caller.account)

    async def _add(self, call: UUID, account: UUID) -> None:
        most = limits.GROUP_CALL_MEMBERS_MAX
        if not await self._records.group_calls.add_member(call, account, most):
            raise refuse(ProblemType.FORBIDDEN, "the call has as many members as it may")

    async def _place(self, call: UUID) -> str:
        """The node that has the call, else the least busy one. A node that is gone has nothing."""
        nodes = await self._registry.nodes.nodes(ROLE)
        if not nodes:
            raise refuse(ProblemType.UNAVAILABLE, "no SFU node is there")
        best = min(nodes, key=lambda node: (node.load, node.node)).node
        placed = await self._registry.placements.place(call, best, PLACEMENT_MS)
        if placed in {node.node for node in nodes}:
            return placed
        await self._registry.placements.release(call, placed)
        return await self._registry.placements.place(call, best, PLACEMENT_MS)

    async def _of_member(self, caller: Address, call: UUID) -> GroupCallRecord:
        record = await self._records.group_calls.show(call)
        if record is None or caller.account not in (record.creator, *record.members):
            raise refuse(ProblemType.NOT_FOUND)
        return record

    async def _of_creator(self, caller: Address, call: UUID) -> None:
        if (await self._of_member(caller, call)).creator != caller.account:
            raise refuse(ProblemType.FORBIDDEN, "only who made the call may do that")

    async def _spend(self, budget: Budget) -> None:
        exhausted = await self._registry.limits.spend([budget])
        if exhausted is not None:
            raise rate_limited(exhausted.retry_after_s)

    def _count(self, event: str) -> None:
        self._metrics.group_call_events.labels(event=event).inc()

    def _ended_at(self, record: GroupCallRecord) -> int | None:
        return ended_at(record, self._clock())

    def _describe(self, record: GroupCallRecord) -> resources.GroupCall:
        return resources.GroupCall(
            call=record.call,
            creator=record.creator,
            members=list(record.members),
            link_token=record.link_token,
            created_at=record.created_at,
            ended_at=self._ended_at(record),
        )


def ended_at(record: GroupCallRecord, now: int) -> int | None:
    """UTC milliseconds; also by its age, before the sweep has written that down."""
    if record.ended_at is not None:
        return record.ended_at
    end = record.created_at + LIFETIME_MS
    return end if now >= end else None


def _is_right(link_token: str | None, record: GroupCallRecord) -> bool:
    return link_token is not None and hmac.compare_digest(
        link_token.encode(), record.link_token.encode()
    )
