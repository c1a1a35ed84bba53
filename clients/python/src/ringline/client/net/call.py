"""A call to hold: its phases, its media, its end. Signalling goes over the link, media peer to peer.

`media` is a factory (`call_media.MediaFactory`). Whatever ends a call closes its media.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from ringline.client.call_media import CallMedia, IceServers, MediaFactory
from ringline.client.call_side import (
    Answered,
    CallPhase,
    CallSide,
    Ended,
    EndReason,
)
from ringline.client.errors import CallFailed, DeadlinePassed, Refused, RinglineError
from ringline.client.net.device_lists import DeviceLists
from ringline.media.errors import MediaError
from ringline.protocol.frames import Call as CallFrame
from ringline.protocol.frames import CallEvent, CallStatus
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import CallKind

EVENT_TIMEOUT_S: Final = 15.0
"""Of telling the server something about the call, across reconnections."""
CONNECT_TIMEOUT_S: Final = 20.0
FAREWELL_TIMEOUT_S: Final = 5.0
HANG_UP_GRACE_S: Final = 2.0
"""The media may end a moment before the other side's `hang-up` comes."""
INVITE_ATTEMPTS_MAX: Final = 4
RING_GRACE_S: Final = 15.0
"""The server ends what rings too long; this side does when the server cannot be heard."""

Request = Callable[[CallFrame, float], Awaitable[CallStatus]]


class Call:
    """`on_changed(call)` at every new phase. Made by `Calls`."""

    def __init__(
        self,
        side: CallSide,
        account: UUID,
        request: Request,
        lists: DeviceLists,
        on_changed: Callable[["Call"], None],
        ice_servers: IceServers,
    ) -> None:
        self._side = side
        self.account = account
        """The other one."""
        self._request = request
        self._lists = lists
        self._on_changed = on_changed
        self._ice_servers = ice_servers
        self._media: CallMedia | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._shown = side.phase
        self._statistics: Any = None
        self.error: str | None = None
        """For a person: what failed, if something did."""

    @property
    def id(self) -> UUID:
        return self._side.call

    @property
    def phase(self) -> CallPhase:
        return self._side.phase

    @property
    def reason(self) -> EndReason | None:
        return self._side.reason

    @property
    def outcome(self) -> CallKind | None:
        """Of a call taken elsewhere: accept, decline or busy."""
        return self._side.outcome

    @property
    def rang(self) -> bool:
        """A device of the callee has said that it rings."""
        return self._side.rang

    async def active(self, timeout_s: float) -> None:
        """Until media can flow. Raise CallFailed when the call ends before, DeadlinePassed."""
        await self._until(lambda: self.phase in (CallPhase.ACTIVE, CallPhase.ENDED), timeout_s)
        if self.phase is CallPhase.ENDED:
            raise CallFailed(self.error or f"the call ended: {self._reason_text}")

    async def ended(self, timeout_s: float) -> EndReason:
        """Raise DeadlinePassed."""
        await self._until(lambda: self._side.is_over, timeout_s)
        if self._closing is not None:
            await asyncio.shield(self._closing)
        assert self._side.reason is not None, "what is over has a reason"
        return self._side.reason

    async def media_sent(self) -> None:
        """Until one's own source has come to its end, or the call has. Never for an endless one."""
        if self._media is not None and not self._side.is_over:
            await self._media.wait_sent()

    def statistics(self) -> Any:
        """`ringline.media.statistics.CallStatistics`, final after the end; None without media."""
        if self._media is not None and self._closing is None:
            return self._media.statistics()
        return self._statistics

    async def hang_up(self) -> None:
        """End it, in whatever phase it is. Returns when the media is closed. Harmless to repeat."""
        await self._leave(self._side.farewell, EndReason.HUNG_UP)

    async def _leave(self, kind: CallKind, reason: EndReason) -> None:
        if not self._side.is_over:
            cancelled = kind is CallKind.CANCEL
            self._finish(EndReason.CANCELLED if cancelled else reason)
            with contextlib.suppress(RinglineError):
                await self._tell(kind, FAREWELL_TIMEOUT_S)
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _tell(self, kind: CallKind, timeout_s: float = EVENT_TIMEOUT_S) -> CallStatus:
        return await self._request(CallFrame(call=self.id, kind=kind), timeout_s)

    async def _until(self, test: Callable[[], bool], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not test():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise DeadlinePassed(f"the call is {self.phase.value} after {timeout_s:g} s") from None

    @property
    def _reason_text(self) -> str:
        return "unknown" if self.reason is None else self.reason.value

    # For `Calls`.

    def event(self, event: CallEvent) -> None:
        """What the server tells of this call."""
        step = self._side.event(event)
        if isinstance(step, Answered):
            self._answered(step.body)
        elif isinstance(step, Ended):
            self._finish(step.reason)
        self._show()

    def _answered(self, body: bytes) -> None:  # noqa: ARG002
        raise AssertionError("only a caller is answered")

    def finish(self, reason: EndReason) -> None:
        """From outside: no farewell is said."""
        self._finish(reason)

    def _finish(self, reason: EndReason) -> None:
        self._side.end(reason)
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close_media())
        self._show()

    def _show(self) -> None:
        if self.phase is not self._shown:
            self._shown = self.phase
            self._news.set()
            self._on_changed(self)

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._guard(work))

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """What fails ends the call, and the other side is told."""
        try:
            await work()
        except MediaError as error:
            await self._fail(str(error), EndReason.MEDIA_FAILED)
        except Refused as error:
            await self._fail(str(error), EndReason.REFUSED)
        except RinglineError as error:
            await self._fail(str(error), EndReason.UNREACHABLE)

    async def _fail(self, error: str, reason: EndReason) -> None:
        if self._side.is_over:
            return
        self.error = error
        farewell = self._side.farewell
        self._task = None
        self._finish(reason)
        with contextlib.suppress(RinglineError):
            await self._tell(farewell, FAREWELL_TIMEOUT_S)

    async def _close_media(self) -> None:
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])
        if self._media is None:
            return
        try:
            await self._media.close()
        except MediaError as error:
            self.error = self.error or str(error)
        self._statistics = self._media.statistics()

    async def _flow(self) -> None:
        """The descriptions are exchanged: until the media ends."""
        assert self._media is not None
        await self._media.connected(CONNECT_TIMEOUT_S)
        self._side.active()
        self._show()
        how = await self._media.wait_ended()
        with contextlib.suppress(DeadlinePassed):
            await self._until(lambda: self._side.is_over, HANG_UP_GRACE_S)
        await self._fail(f"the media's connection ended: {how}", EndReason.MEDIA_ENDED)

    async def _accept_offer(self, offer: CallEvent, media: CallMedia) -> None:
        """Answer the other side's offer."""
        self._media = media
        media.use_servers(await self._ice_servers(offer.call))
        answer = await media.answer(offer.body)
        bodies = await self._lists.answer(offer.sender, answer)
        frame = CallFrame(call=offer.call, kind=CallKind.ACCEPT, bodies=bodies)
        step = self._side.status(await self._request(frame, EVENT_TIMEOUT_S))
        if step is not None:
            self._finish(step.reason)


class OutgoingCall(Call):
    """One that this device placed."""

    def prepare(self, media: MediaFactory) -> None:
        self._make_media = media
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def dial(self, lifetime_s: int) -> CallStatus:
        """Invite. Raise Refused (not-accepted for one), Unreachable, MediaError: it is over then."""
        try:
            return await self._dial(lifetime_s)
        except BaseException as error:
            self.error = str(error)
            self._finish(_reason(error))
            raise

    async def _dial(self, lifetime_s: int) -> CallStatus:
        self._media = self._make_media()
        self._media.use_servers(await self._ice_servers(self.id))
        offer = await self._media.offer()
        self._lifetime_s = lifetime_s
        for attempt in range(INVITE_ATTEMPTS_MAX):
            frame = CallFrame(
                call=self.id,
                kind=CallKind.INVITE,
                to=self.account,
                lifetime_ms=lifetime_s * 1000,
                bodies=await self._lists.offers(self.account, offer),
            )
            try:
                status = await self._request(frame, EVENT_TIMEOUT_S)
            except Refused as error:
                differs = error.problem.type == ProblemType.DEVICES_DIFFER.uri
                if not differs or attempt == INVITE_ATTEMPTS_MAX - 1:
                    raise
                continue
            step = self._side.status(status)
            if step is not None:
                self._finish(step.reason)
            self._show()
            return status
        raise AssertionError("the last attempt returns or raises")

    def rings(self) -> None:
        """Dialled: wait for the answer."""
        if not self._side.is_over and self._task is None:
            self._run(self._talk)

    async def _talk(self) -> None:
        try:
            async with asyncio.timeout(self._lifetime_s + RING_GRACE_S):
                answer = await self._answer
        except TimeoutError:
            raise DeadlinePassed("nothing was heard of the call") from None
        assert self._media is not None
        await self._media.accept_answer(answer)
        await self._flow()

    def _answered(self, body: bytes) -> None:
        if not self._answer.done():
            self._answer.set_result(body)

    def join(self, invite: CallEvent) -> None:
        """Glare: the other's call goes on, and this one becomes its answer."""
        if self._side.is_over:
            return
        self._side.becomes(invite.call)
        self._show()
        waiting, self._task = self._task, None
        self._run(partial(self._join, invite, waiting))

    async def _join(self, invite: CallEvent, waiting: asyncio.Task[None] | None) -> None:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])
        if self._media is not None:
            await self._media.close()
        await self._accept_offer(invite, self._make_media())
        await self._flow()


class IncomingCall(Call):
    """One that rings here."""

    def offered(self, invite: CallEvent) -> None:
        self._invite = invite

    @property
    def invite(self) -> CallEvent:
        return self._invite

    @property
    def expires_at(self) -> int:
        """It rings until then, UTC milliseconds by the server's clock."""
        return self._invite.expires_at

    async def accept(self, media: MediaFactory) -> None:
        """Take it. Raise CallFailed when it is over, or taken by another device; MediaError,
        Refused, Unreachable: it is over then."""
        if not self._side.accepting():
            raise CallFailed(f"the call is {self.phase.value}")
        self._show()
        try:
            await self._accept_offer(self._invite, media())
        except Refused as error:
            taken = error.problem.type == ProblemType.CALL_STATE.uri
            self._finish(EndReason.TAKEN_ELSEWHERE if taken else EndReason.REFUSED)
            if taken:
                raise CallFailed(str(error)) from None
            raise
        except MediaError as error:
            await self._fail(str(error), EndReason.MEDIA_FAILED)
            raise
        except RinglineError as error:
            await self._fail(str(error), EndReason.UNREACHABLE)
            raise
        if self._side.is_over:
            raise CallFailed(f"the call ended: {self._reason_text}")
        self._run(self._flow)

    async def decline(self) -> None:
        await self._leave(CallKind.DECLINE, EndReason.DECLINED)

    async def busy(self) -> None:
        await self._leave(CallKind.BUSY, EndReason.BUSY)

    async def ring(self) -> None:
        """Tell the caller."""
        with contextlib.suppress(RinglineError):
            await self._tell(CallKind.RINGING)


def _reason(error: BaseException) -> EndReason:
    if isinstance(error, MediaError):
        return EndReason.MEDIA_FAILED
    return EndReason.REFUSED if isinstance(error, Refused) else EndReason.UNREACHABLE
