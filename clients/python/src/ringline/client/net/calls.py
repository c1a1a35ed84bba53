"""All calls of one device: which event belongs to which, and what happens in glare."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import UUID

from ringline.client.call_media import IceServers, MediaFactory
from ringline.client.call_side import TERMINAL, CallPhase, CallSide, EndReason
from ringline.client.errors import ProtocolBroken, Refused, RinglineError
from ringline.client.events import CallChanged, CallReceived, Event
from ringline.client.net.call import Call, IncomingCall, OutgoingCall
from ringline.client.net.device_lists import DeviceLists
from ringline.protocol.frames import AnyClientFrame, AnyServerFrame, CallEvent, CallStatus
from ringline.protocol.frames import Call as CallFrame
from ringline.protocol.types import CallKind

ENDED_CALLS_MAX: Final = 256
"""Remembered, so that a late invite does not ring."""
RINGING_CALLS_MAX: Final = 16
"""More at once are answered as busy."""
JOIN_TIMEOUT_S: Final = 15.0

Ask = Callable[[AnyClientFrame, float], Awaitable[AnyServerFrame]]


class Calls:
    """`now` gives UTC milliseconds by the server's clock."""

    def __init__(
        self,
        own: UUID,
        ask: Ask,
        lists: DeviceLists,
        *,
        new_id: Callable[[], UUID],
        now: Callable[[], int],
        show: Callable[[Event], None],
        ice_servers: IceServers,
    ) -> None:
        self._own = own
        self._ask = ask
        self._lists = lists
        self._new_id = new_id
        self._now = now
        self._show = show
        self._ice_servers = ice_servers
        self._calls: dict[UUID, Call] = {}
        self._over: deque[UUID] = deque(maxlen=ENDED_CALLS_MAX)
        self._dialling: dict[UUID, OutgoingCall] = {}
        """By account: the server has not answered the invite."""
        self._held: dict[UUID, CallEvent] = {}
        """Invites of accounts that are being dialled: glare, perhaps."""
        self._awaited: dict[UUID, asyncio.Future[CallEvent]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def place(self, account: UUID, media: MediaFactory, lifetime_s: int) -> OutgoingCall:
        """Raise as `OutgoingCall.dial`."""
        side = CallSide(self._new_id(), placed=True)
        call = OutgoingCall(
            side, account, self._request, self._lists, self._changed, self._ice_servers
        )
        call.prepare(media)
        self._calls[call.id] = call
        self._dialling[account] = call
        try:
            status = await call.dial(lifetime_s)
        except BaseException as error:
            self._dialled(account)
            if not isinstance(error, Refused):
                self._start(
                    partial(self._tell, call.id, CallKind.CANCEL)
                )  # it may ring all the same
            raise
        if status.lost_to is not None:
            await self._join(call, status.lost_to)
        elif call.phase is not CallPhase.ENDED:
            self._overtake(account)
        self._dialled(account)
        call.rings()
        return call

    async def _join(self, call: OutgoingCall, winner: UUID) -> None:
        """The other's call won: wait for its offer, which is in the queue, and answer that."""
        known = self._calls.get(winner)
        if isinstance(known, IncomingCall):
            if known.phase is not CallPhase.RINGING:
                call.finish(EndReason.JOINED)  # the program has accepted it already
                return
            invite = known.invite
            known.finish(EndReason.JOINED)
        elif winner in self._held:
            invite = self._held.pop(winner)
        else:
            waiting = self._awaited[winner] = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(JOIN_TIMEOUT_S):
                    invite = await waiting
            except TimeoutError:
                call.finish(EndReason.UNREACHABLE)
                return
            finally:
                del self._awaited[winner]
        self._rename(call, invite)

    def _rename(self, call: OutgoingCall, invite: CallEvent) -> None:
        self._calls.pop(call.id, None)
        self._over.append(call.id)
        self._calls[invite.call] = call
        call.join(invite)

    def _overtake(self, account: UUID) -> None:
        """One's own call goes on: what rang from there became its answer."""
        for known in list(self._calls.values()):
            rings = isinstance(known, IncomingCall) and known.phase is CallPhase.RINGING
            if rings and known.account == account:
                known.finish(EndReason.JOINED)
        for call, invite in list(self._held.items()):
            if invite.caller == account:
                del self._held[call]
                self._over.append(call)

    def _dialled(self, account: UUID) -> None:
        self._dialling.pop(account, None)
        for call, invite in list(self._held.items()):
            if invite.caller == account:
                del self._held[call]
                self._ring(invite)

    async def _request(self, frame: CallFrame, timeout_s: float) -> CallStatus:
        answer = await self._ask(frame, timeout_s)
        if not isinstance(answer, CallStatus):
            raise ProtocolBroken("a call event was answered by something else")
        return answer

    # What comes.

    def event(self, event: CallEvent) -> None:
        if event.kind is CallKind.INVITE:
            self._invited(event)
        elif (call := self._calls.get(event.call)) is not None:
            call.event(event)
        elif event.kind in TERMINAL and event.call not in self._over:
            self._over.append(event.call)

    def _invited(self, invite: CallEvent) -> None:
        known = invite.call in self._calls or invite.call in self._over
        if known or invite.callee != self._own or invite.caller == self._own:
            return
        if invite.call in self._awaited:
            if not self._awaited[invite.call].done():
                self._awaited[invite.call].set_result(invite)
        elif invite.glare:
            self._bound(invite)
        elif invite.expires_at <= self._now():
            self._over.append(invite.call)
        elif invite.caller in self._dialling:
            self._held[invite.call] = invite
        else:
            self._ring(invite)

    def _bound(self, invite: CallEvent) -> None:
        """The other's call overtook one's own, which is now the answer to it."""
        for call in self._calls.values():
            waits = call.phase in (CallPhase.DIALLING, CallPhase.RINGING)
            if isinstance(call, OutgoingCall) and waits and call.account == invite.caller:
                self._rename(call, invite)
                return
        # Dialled by an earlier life of this program: nobody here speaks.
        self._over.append(invite.call)
        self._start(partial(self._tell, invite.call, CallKind.HANG_UP))

    async def _tell(self, call: UUID, kind: CallKind) -> None:
        await self._request(CallFrame(call=call, kind=kind), JOIN_TIMEOUT_S)

    def _ring(self, invite: CallEvent) -> None:
        side = CallSide(invite.call, placed=False)
        call = IncomingCall(
            side, invite.caller, self._request, self._lists, self._changed, self._ice_servers
        )
        call.offered(invite)
        ringing = sum(known.phase is CallPhase.RINGING for known in self._calls.values())
        self._calls[call.id] = call
        if ringing >= RINGING_CALLS_MAX:
            self._start(call.busy)
            return
        self._start(call.ring)
        self._show(CallReceived(call))

    def _changed(self, call: Call) -> None:
        if call.phase is CallPhase.ENDED:
            self._calls.pop(call.id, None)
            self._over.append(call.id)
        self._show(CallChanged(call))

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.get_running_loop().create_task(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Hang up whatever is going on."""
        if live := list(self._calls.values()):
            await asyncio.gather(*(call.hang_up() for call in live))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _guarded(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except RinglineError:
        return  # the server has forgotten the call, or hears of it when it times out
