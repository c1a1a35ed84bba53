"""Who may come in: a ticket of a gateway's, once, unless its account was removed since."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from backplane.errors import WorldError
from backplane.registry.ports import RelayDeadlineRegistry, RemovalRegistry
from backplane.tickets import JoinClaims, TicketRefused, TicketVerifier
from ringline.protocol.problems import ProblemType
from ringline.protocol.sfu import Join
from sfu.calls import Calls
from sfu.errors import Refused
from sfu.participant import Outlet, Participant
from sfu.used_tickets import RecentRemovals, UsedTickets

EVERYBODY: Final = UUID(int=0)
"""Whom the end of a call removes."""


class Admission:
    """That a call has ended is known by its relay deadline, which the gateway puts before it tells the bus."""

    def __init__(
        self,
        node: str,
        verifier: TicketVerifier,
        removals: RemovalRegistry,
        deadlines: RelayDeadlineRegistry,
        calls: Calls,
        tickets_max: int,
        utc_s: Callable[[], float],
    ) -> None:
        self._node = node
        self._verifier = verifier
        self._removals = removals
        self._deadlines = deadlines
        self._calls = calls
        self._used = UsedTickets(tickets_max)
        self._recent = RecentRemovals()
        self._utc_s = utc_s

    async def join(self, frame: Join, outlet: Outlet) -> Participant:
        """Raises Refused."""
        now_s = self._utc_s()
        try:
            claims = self._verifier.verify(frame.ticket, self._node, int(now_s))
        except TicketRefused as error:
            raise self._refuse(str(error)) from None
        # Before anything is awaited: two that come with one ticket are told apart here.
        first = self._used.use(claims.id, claims.expires_at_s, now_s)
        if first is None:
            raise _unavailable("this node remembers as many tickets as it may")
        if not first:
            raise self._refuse("the ticket was used")
        await self._refuse_removed(claims)
        return self._calls.join(claims, frame.name, frame.ref, outlet)

    async def _refuse_removed(self, claims: JoinClaims) -> None:
        account = claims.device.account
        try:
            removed_at = await self._removals.get(claims.call, account)
            ended = await self._has_ended(claims.call)
        except WorldError:
            self._used.give_back(claims.id)
            raise _unavailable("cannot ask whether the account may still come in") from None
        removed = removed_at is not None and removed_at >= claims.issued_at_s * 1000
        now_s = self._utc_s()
        if removed or self._recent.since(claims.call, account, claims.issued_at_s, now_s):
            raise self._refuse("the account was removed from the call")
        if ended or self._recent.since(claims.call, EVERYBODY, claims.issued_at_s, now_s):
            raise self._refuse("the call has ended")

    async def _has_ended(self, call: UUID) -> bool:
        until = await self._deadlines.get(call)
        return until is not None and until <= self._utc_s() * 1000

    def removed(self, call: UUID, account: UUID) -> None:
        """By the bus."""
        self._recent.note(call, account, self._utc_s())
        self._calls.member_removed(call, account)

    def call_ended(self, call: UUID) -> None:
        """By the bus."""
        self._recent.note(call, EVERYBODY, self._utc_s())
        self._calls.call_ended(call)

    async def look_again(self) -> None:
        """After messages of the bus may have been missed. Raises WorldError."""
        for call in self._calls.ids():
            if await self._has_ended(call):
                self._calls.call_ended(call)
        seen: set[tuple[UUID, UUID]] = set()
        for call, participant in self._calls.participants():
            account = participant.device.account
            if (call, account) in seen:
                continue
            seen.add((call, account))
            removed_at = await self._removals.get(call, account)
            if removed_at is not None and removed_at >= participant.joined_at_s * 1000:
                self._calls.member_removed(call, account)

    def _refuse(self, detail: str) -> Refused:
        self._calls.counts["ticket-refused"] += 1
        return Refused(ProblemType.FORBIDDEN.describe(detail))


def _unavailable(detail: str) -> Refused:
    return Refused(ProblemType.UNAVAILABLE.describe(detail, retry_after_s=1))
