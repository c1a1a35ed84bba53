"""A stay in a group call: the socket to the SFU, its breaks, and the offers of the media.

    ticket ─▶ join ─▶ offers, events ─▶ (socket lost) ─▶ resume ─▶ …
                                        (resume refused, media lost) ─▶ ticket ─▶ …

Media goes on while the socket is away. What ends the stay for good: `leave`, a final close code, or
REJOIN_S without getting back in.
"""

import asyncio
import contextlib
import enum
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from ringline.client.backoff import Backoff
from ringline.client.call_media import IceServers
from ringline.client.errors import (
    CallFailed,
    DeadlinePassed,
    Refused,
    RinglineError,
    Unreachable,
    UsageError,
)
from ringline.client.group_side import Change, GroupSide, Published, Unpublished
from ringline.client.net.group_socket import GroupSocket, NodeGone
from ringline.media.errors import MediaError, MediaFailed
from ringline.protocol import sfu
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.resources import JoinTicket
from ringline.protocol.sfu import Publication, TrackSource

ANSWER_TIMEOUT_S: Final = 15.0
JOINED_TIMEOUT_S: Final = 15.0
OFFER_PAUSE_S_MAX: Final = 10
"""Before an offer is made again that came too soon, whatever the SFU says."""
REJOIN_S: Final = 60.0
LEAVE_TIMEOUT_S: Final = 3.0
LAST_WORD_S: Final = 1.0
"""After the media ended: time for the close code that says why."""
EVENTS_MAX: Final = 1_000
"""That nobody reads; the oldest go, and are counted."""
RETRY_FIRST_MS: Final = 100
RETRY_LONGEST_MS: Final = 3_000
"""People wait; REJOIN_S ends it anyway."""
_SOURCES: Final = {"audio": TrackSource.MICROPHONE, "video": TrackSource.CAMERA}

_log = logging.getLogger(__name__)


class GroupPhase(enum.Enum):
    JOINING = "joining"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    phase: GroupPhase
    reason: str | None = None


GroupEvent = Change | PhaseChanged


class GroupMedia(Protocol):
    """`ringline.media.group_peer.GroupPeer` is one. May raise MediaError."""

    on_lost: Callable[[], None] | None

    @property
    def kinds(self) -> list[str]: ...

    def use_servers(self, servers: Any) -> None: ...

    async def begin_anew(self) -> None: ...

    def receive(self, track: str, kind: str) -> None: ...

    def stop(self, track: str) -> None: ...

    def set_muted(self, kind: str, muted: bool) -> None: ...

    async def offer(self) -> Any: ...

    async def accept_answer(self, sdp: str) -> None: ...

    def statistics(self) -> Any: ...

    async def wait_sent(self) -> None: ...

    async def close(self) -> None: ...


class GroupCall:
    """`ticket()` buys one; `open_socket(path)` opens the way to its node."""

    def __init__(
        self,
        call: UUID,
        media: GroupMedia,
        *,
        name: str,
        ticket: Callable[[], Awaitable[JoinTicket]],
        open_socket: Callable[[str], Awaitable[GroupSocket]],
        ice_servers: IceServers,
        uniform: Callable[[], float],
    ) -> None:
        self.side = GroupSide(call)
        self.media = media
        self.phase = GroupPhase.JOINING
        self.reason: str | None = None
        """Why it ended."""
        self.events_dropped = 0
        self._name = name
        self._ticket = ticket
        self._open_socket = open_socket
        self._ice_servers = ice_servers
        self._backoff = Backoff(uniform, RETRY_FIRST_MS, RETRY_LONGEST_MS)
        self._path = ""
        self._socket: GroupSocket | None = None
        self._published: dict[str, str] = {}
        """Kind: track id."""
        self._muted: set[str] = set()
        self._offering = asyncio.Event()
        self._answer: asyncio.Future[sfu.Answer | sfu.Error] | None = None
        self._ref = self._offered = 0
        self._up = asyncio.Event()
        self._ended = asyncio.Event()
        self._events: asyncio.Queue[GroupEvent | None] = asyncio.Queue(EVENTS_MAX)
        self._fresh = True
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._trouble = ""
        self._closings: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> UUID:
        return self.side.call

    # For the program.

    async def join(self, timeout_s: float) -> None:
        """Until media can flow. Raise Refused, CallFailed, MediaError, DeadlinePassed."""
        self.media.on_lost = self._media_lost
        self._task = asyncio.create_task(self._run())
        up, ended = (asyncio.ensure_future(each.wait()) for each in (self._up, self._ended))
        try:
            done, _ = await asyncio.wait(
                {up, ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            up.cancel()
            ended.cancel()
        if self._ended.is_set():
            raise self._error or CallFailed(self.reason or "the call ended")
        if not done:
            await self.leave()
            raise DeadlinePassed(f"not in the call within {timeout_s:g} s{self._trouble}")

    async def leave(self) -> None:
        """Harmless to repeat."""
        if self._socket is not None and not self._ended.is_set():
            with contextlib.suppress(RinglineError, TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self._socket.send(sfu.Leave())
        self._end("left")
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for closing in self._closings:
            closing.cancel()
        await asyncio.gather(*self._closings, return_exceptions=True)
        await self.media.close()

    async def ended(self) -> str:
        """Wait for the end: why."""
        await self._ended.wait()
        return self.reason or "ended"

    async def mute(self, kind: str, muted: bool) -> None:
        """One's own sound (`audio`) or picture (`video`): nothing of it is sent, and the others are told.
        Raise UsageError for what is not sent at all."""
        if kind not in self.media.kinds:
            raise UsageError(f"no {kind} is sent")
        self.media.set_muted(kind, muted)
        (self._muted.add if muted else self._muted.discard)(kind)
        track = self._published.get(kind)
        if track is not None and self._socket is not None:
            with contextlib.suppress(Unreachable):  # the next offer says it, too
                await self._socket.send(sfu.Mute(ref=self._next_ref(), track=track, muted=muted))

    async def events(self) -> AsyncIterator[GroupEvent]:
        """For one reader, to the end."""
        while (event := await self._events.get()) is not None:
            yield event

    # The stay.

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        out_since_s = loop.time()
        try:
            while not self._ended.is_set():
                try:
                    await self._once()
                    return
                except _Lost as lost:
                    if lost.was_in:
                        out_since_s = loop.time()
                        self._backoff.reset()
                    self._lost(lost)
                if loop.time() - out_since_s > REJOIN_S:
                    self._end("unreachable")
                    return
                await asyncio.sleep(self._backoff.next_ms() / 1000)
        except (Refused, MediaError, CallFailed) as error:
            self._error = error
            self._end(str(error))
        except Exception as error:
            _log.exception("the group call broke")
            self._error = error
            self._end("internal")

    def _lost(self, lost: "_Lost") -> None:
        self._trouble = f": {lost.text}"
        if lost.code in (CloseCode.TICKET_REFUSED, CloseCode.MEDIA_LOST):
            self.side.resume_secret = None
        if self.phase is GroupPhase.ACTIVE:
            self._show_phase(GroupPhase.RECONNECTING, lost.text)

    async def _once(self) -> None:
        """One socket's life. Return: the stay is over. Raise _Lost: try again."""
        secret = self.side.resume_secret
        if secret is None:
            self._fresh = True
            first: sfu.AnySfuClientFrame = await self._new_stay()
        else:
            first = sfu.Resume(ref=self._next_ref(), secret=secret)
        try:
            socket = await self._open_socket(self._path)
        except NodeGone as error:
            # Its stays went with it; a new ticket names a node that is there.
            self.side.resume_secret = None
            raise _Lost(None, str(error)) from None
        except Unreachable as error:
            # Not put back otherwise: the media may have died meanwhile.
            if self.phase is GroupPhase.JOINING:
                self.side.resume_secret = None
            raise _Lost(None, str(error)) from None
        offers: asyncio.Task[None] | None = None
        was_in = False
        self._offering.clear()
        loop = asyncio.get_running_loop()
        self._welcome = loop.call_later(JOINED_TIMEOUT_S, self._close_soon, socket)
        try:
            await socket.send(first)
            self._socket = socket
            offers = asyncio.create_task(self._make_offers(socket))
            offers.add_done_callback(lambda _: self._close_soon(socket))
            async for frame in socket.frames():
                self._arrived(frame)
                was_in |= self.phase is GroupPhase.ACTIVE
            if offers.done():
                await self._why_none(offers)
            raise _Lost(socket.close_code, "the connection to the call broke", was_in)
        except Unreachable as error:
            raise _Lost(socket.close_code, str(error), was_in) from None
        except _Lost as lost:
            if lost.code is not None and lost.code in _FINAL:
                self._end(_FINAL[lost.code])
                return
            raise
        finally:
            self._socket = None
            self._welcome.cancel()
            if offers is not None:
                offers.cancel()
                await asyncio.gather(offers, return_exceptions=True)
            await socket.close()

    async def _why_none(self, offers: "asyncio.Task[None]") -> None:
        """Raise what ended the offers, unless another connection may do better."""
        try:
            await offers
        except MediaFailed:
            if not self._up.is_set():
                raise
            self.side.resume_secret = None

    async def _new_stay(self) -> sfu.Join:
        """A ticket, and a connection of its own for the media."""
        try:
            ticket = await self._ticket()
        except Refused as error:
            if error.name in _PASSING:
                raise _Lost(None, str(error)) from None
            if self._up.is_set():
                self._end(_REFUSALS.get(error.name, str(error)))
            raise
        except (Unreachable, DeadlinePassed) as error:
            raise _Lost(None, str(error)) from None
        self._path = ticket.path
        self.media.use_servers(await self._ice_servers(self.id))
        await self.media.begin_anew()
        self._published.clear()
        return sfu.Join(ref=self._next_ref(), ticket=ticket.ticket, name=self._name)

    def _arrived(self, frame: sfu.AnySfuServerFrame) -> None:
        match frame:
            case sfu.Joined():
                self._joined(frame)
            case sfu.Answer() | sfu.Error() if frame.ref == self._offered:
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(frame)
            case sfu.Error():
                _log.warning("refused by the SFU: %s", frame.problem.title)
            case sfu.MediaConnected():
                self._active()
            case _:
                self._changed(self.side.frame(frame))

    def _joined(self, frame: sfu.Joined) -> None:
        self._welcome.cancel()
        changes = self.side.joined(frame)
        if self._fresh:
            # All that is there is news to a new connection.
            for track, (_, known) in self.side.tracks().items():
                self.media.receive(track, known.kind.value)
        self._fresh = False
        self._changed(changes)
        self._offering.set()
        if (frame.resumed and self._up.is_set()) or not self._has_media:
            self._active()

    @property
    def _has_media(self) -> bool:
        """Not so for one who only listens, until somebody else sends something."""
        return bool(self.media.kinds or self.side.tracks())

    def _active(self) -> None:
        self._up.set()
        if self.phase is not GroupPhase.ACTIVE:
            self._show_phase(GroupPhase.ACTIVE)

    def _changed(self, changes: list[Change]) -> None:
        for change in changes:
            if isinstance(change, Published):
                self.media.receive(change.track.track, change.track.kind.value)
                self._offering.set()
            elif isinstance(change, Unpublished):
                self.media.stop(change.track.track)
                self._offering.set()
            self._push(change)

    # Offers.

    async def _make_offers(self, socket: GroupSocket) -> None:
        """One at a time, whenever something has changed. Raise MediaError, Refused, Unreachable."""
        while True:
            await self._offering.wait()
            self._offering.clear()
            if not self._has_media:
                continue
            wait_s = await self._offer(socket)
            if wait_s:
                self._offering.set()
                await asyncio.sleep(wait_s)

    async def _offer(self, socket: GroupSocket) -> float:
        """How long to wait before it is made again; 0: it was answered."""
        described = await self.media.offer()
        self._answer = asyncio.get_running_loop().create_future()
        publish = {
            mid: Publication(_SOURCES[kind], muted=kind in self._muted)
            for mid, kind in described.publish.items()
        }
        self._offered = self._next_ref()
        await socket.send(
            sfu.Offer(
                ref=self._offered,
                sdp=described.sdp,
                publish=publish,
                subscribe=described.subscribe,
            )
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await self._answer
        except TimeoutError:
            raise Unreachable("the SFU did not answer an offer") from None
        if isinstance(answer, sfu.Error):
            if answer.problem.retry_after_s is None:
                raise Refused(answer.problem)
            return float(min(answer.problem.retry_after_s, OFFER_PAUSE_S_MAX))
        await self.media.accept_answer(answer.sdp)
        self._published = {
            described.publish[mid]: track
            for mid, track in answer.published.items()
            if mid in described.publish
        }
        return 0

    # The end.

    def _media_lost(self) -> None:
        """The connection died here: join anew, unless the SFU says in a moment that this is the end."""
        self.side.resume_secret = None
        if self._socket is not None and not self._ended.is_set():
            self._close_soon(self._socket, LAST_WORD_S)

    def _close_soon(self, socket: GroupSocket, wait_s: float = 0) -> None:
        async def close() -> None:
            await asyncio.sleep(wait_s)
            await socket.close()

        task = asyncio.get_running_loop().create_task(close())
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    def _end(self, reason: str) -> None:
        if self._ended.is_set():
            return
        self.reason = reason
        self._ended.set()
        self._show_phase(GroupPhase.ENDED, reason)
        self._push(None)

    def _show_phase(self, phase: GroupPhase, reason: str | None = None) -> None:
        self.phase = phase
        self._push(PhaseChanged(phase, reason))

    def _push(self, event: GroupEvent | None) -> None:
        while self._events.full():
            self._events.get_nowait()
            self.events_dropped += 1
        self._events.put_nowait(event)

    def _next_ref(self) -> int:
        self._ref += 1
        return self._ref


class _Lost(Exception):
    """Out of the call, perhaps not for long."""

    def __init__(self, code: int | None, text: str, was_in: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.was_in = was_in


_FINAL: Final[dict[int, str]] = {
    CloseCode.REMOVED: "removed",
    CloseCode.CALL_ENDED: "call-ended",
    CloseCode.REPLACED: "replaced",
}
_REFUSALS: Final = {"call-state": "call-ended", "not-found": "call-ended", "forbidden": "removed"}
"""What it means when one who was in the call gets no ticket any more."""
_PASSING: Final = frozenset({"unavailable", "rate-limited"})
"""Refusals of a ticket that may be over in a moment."""
