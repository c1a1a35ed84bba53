"""`ringline listen`: show what comes, and answer it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ringline.client.call_side import CallPhase
from ringline.client.client import Client
from ringline.client.errors import CallFailed, RinglineError
from ringline.client.events import (
    CallChanged,
    CallMissed,
    CallReceived,
    CaughtUp,
    ConnectionChanged,
    ConnectionPhase,
    Event,
    Gap,
    MessageFailed,
    MessageReceived,
    PresenceChanged,
    ReceiptReceived,
    TypingChanged,
)
from ringline.client.net.call import IncomingCall
from ringline.command.call_report import CallReport, show_phase, show_reports
from ringline.command.exit_codes import ExitCode
from ringline.command.media_options import MediaOptions
from ringline.command.output import Output, clock_text
from ringline.command.people import People
from ringline.media.errors import MediaError
from ringline.protocol.types import ContactState

END_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What to do, and when it is enough; None: no matter."""

    for_s: float | None
    messages: int | None
    calls: int | None
    read: bool
    accept: bool
    answer: bool
    media: MediaOptions


async def listen(
    output: Output, stop: asyncio.Event, profile: str, server: str | None, wishes: Wishes
) -> ExitCode:
    """Ends well by Ctrl-C, when there was enough, and (without a number wished for) with the time."""
    if wishes.answer:
        wishes.media.check()
    async with await Client.open(profile, server=server) as client:
        ear = Ear(client, output, wishes)
        await ear.prepare()
        hearing = asyncio.ensure_future(ear.hear())
        ends: list[asyncio.Future[Any]] = [
            hearing,
            asyncio.ensure_future(stop.wait()),
            asyncio.ensure_future(ear.satisfied.wait()),
        ]
        try:
            done, _ = await asyncio.wait(
                ends, timeout=wishes.for_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
        if hearing in done:
            hearing.result()
        await ear.finish()
        asked = wishes.messages is not None or wishes.calls is not None
        in_vain = asked and not done
        return ExitCode.UNREACHABLE if in_vain else ExitCode.OK


class Ear:
    def __init__(self, client: Client, output: Output, wishes: Wishes) -> None:
        self._client = client
        self._output = output
        self._wishes = wishes
        self._people = People(client)
        self._accepted: set[UUID] = set()
        self._reports: dict[IncomingCall, CallReport] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.satisfied = asyncio.Event()
        """There was enough."""
        self._messages = self._receipts = self._ended = self._answered = 0

    async def prepare(self) -> None:
        await self._people.load()
        if self._wishes.accept:
            await self._accept_waiting()
        self._output.progress(f"Listening as {self._client.identity.number}. Ctrl-C ends it.")

    async def _accept_waiting(self) -> None:
        for contact in (await self._client.contacts()).contacts:
            if contact.state is ContactState.REQUESTED:
                await self._accept(contact.account)
            self._accepted.add(contact.account)

    async def _accept(self, account: UUID) -> None:
        if account in self._accepted or account == self._client.account:
            return
        await self._client.accept(account)
        self._accepted.add(account)
        self._output.event("accepted", account=account, number=self._people.number(account))
        self._output.progress(f"accepted {self._people.name(account)}")

    async def hear(self) -> None:
        """Raise what ended the client."""
        async for event in self._client.events():
            await self._show(event)
            await self._client.confirm()
            self._check()

    def _check(self) -> None:
        wanted = (
            (self._wishes.messages, self._messages),
            (self._wishes.calls, self._ended),
        )
        asked = [had >= number for number, had in wanted if number is not None]
        if asked and all(asked):
            self.satisfied.set()

    async def _show(self, event: Event) -> None:
        match event:
            case MessageReceived():
                await self._message(event)
            case ReceiptReceived():
                self._receipt(event)
            case CallReceived():
                self._rings(event.call)
            case CallChanged():
                self._call(event)
            case ConnectionChanged():
                self._connection(event)
            case CaughtUp():
                self._output.event("caught-up")
            case Gap() | CallMissed() | MessageFailed():
                self._notice(event)
            case PresenceChanged() | TypingChanged():
                self._presence(event)

    async def _message(self, event: MessageReceived) -> None:
        self._messages += 1
        account, people = event.sender.account, self._people
        self._output.event(
            "message",
            id=event.id,
            conversation=event.conversation,
            account=account,
            device=event.sender.device,
            number=people.number(account),
            sequence=event.sequence,
            sent_at=event.sent_at,
            kind=event.content.kind,
            text=event.content.text,
        )
        text = event.content.text
        shown = text if text is not None else "(a message that this version cannot show)"
        self._output.line(f"{clock_text(event.sent_at)}  {people.name(account)}: {shown}")
        if account == self._client.account:
            return
        if self._wishes.accept:
            await self._accept(account)
        if self._wishes.read:
            await self._client.mark_read(account, [event.id])

    def _receipt(self, event: ReceiptReceived) -> None:
        self._receipts += 1
        self._output.event(
            "receipt",
            kind=event.kind,
            account=event.by.account,
            device=event.by.device,
            number=self._people.number(event.by.account),
            conversation=event.conversation,
            ids=[str(message) for message in event.ids],
            at=event.at,
            message_sender=event.message_sender,
        )
        self._output.line(
            f"{clock_text(event.at)}  {event.kind.value} by {self._people.name(event.by.account)}: "
            f"{len(event.ids)} message{'s' if len(event.ids) > 1 else ''}",
            style="dim",
        )

    def _connection(self, event: ConnectionChanged) -> None:
        self._output.event(
            "connection", phase=event.phase, reason=event.reason, retry_in_ms=event.retry_in_ms
        )
        if event.phase is ConnectionPhase.READY:
            self._output.progress("connected")
        elif event.phase is ConnectionPhase.WAITING:
            retry_s = (event.retry_in_ms or 0) / 1000
            self._output.progress(f"not connected ({event.reason}); again in {retry_s:.1f} s")

    def _notice(self, event: Gap | CallMissed | MessageFailed) -> None:
        match event:
            case Gap():
                self._output.event(
                    "gap",
                    account=event.sender.account,
                    device=event.sender.device,
                    conversation=event.conversation,
                    expected_sequence=event.expected_sequence,
                    received_sequence=event.received_sequence,
                )
                name = self._people.name(event.sender.account)
                self._output.line(f"some messages of {name} have not come", style="yellow")
            case CallMissed():
                number = self._people.number(event.caller)
                self._output.event(
                    "missed-call", call=event.call, account=event.caller, number=number, at=event.at
                )
                name = self._people.name(event.caller)
                self._output.line(f"{clock_text(event.at)}  missed call from {name}")
            case MessageFailed():
                self._output.event(
                    "message-failed",
                    id=event.id,
                    conversation=event.conversation,
                    problem=event.problem.type,
                    message=event.problem.title,
                )
                self._output.line(f"a message was not sent: {event.problem.title}", style="red")

    def _presence(self, event: PresenceChanged | TypingChanged) -> None:
        if isinstance(event, PresenceChanged):
            self._output.event(
                "presence", account=event.account, state=event.state, last_seen=event.last_seen
            )
            self._output.line(f"{self._people.name(event.account)} is {event.state.value}", "dim")
            return
        self._output.event(
            "typing",
            account=event.sender.account,
            device=event.sender.device,
            conversation=event.conversation,
            state=event.state,
        )

    # Calls.

    def _rings(self, call: IncomingCall) -> None:
        report = CallReport(call, "incoming")
        self._reports[call] = report
        show_phase(self._output, self._people, report)
        if not self._wishes.answer:
            name = self._people.name(call.account)
            self._output.line(f"{name} is calling (answer with: ringline listen --answer)")
            return
        others = [known for known in self._reports if known is not call]
        if any(known.phase is not CallPhase.ENDED for known in others):
            self._start(call.busy)
            return
        self._answered += 1
        report.recording = self._wishes.media.recording(self._answered)
        factory = self._wishes.media.factory(self._client.server, report.recording)
        self._start(lambda: call.accept(factory))

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        async def guarded() -> None:
            # What goes wrong ends the call, and is told as its end.
            with contextlib.suppress(RinglineError, MediaError, CallFailed):
                await work()

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, event: CallChanged) -> None:
        report = next((r for call, r in self._reports.items() if call is event.call), None)
        if report is None:
            return
        show_phase(self._output, self._people, report)
        if event.call.phase is CallPhase.ENDED:
            self._start(lambda: self._end(report))

    async def _end(self, report: CallReport) -> None:
        """Its figures, once the media is closed and the recording whole."""
        await report.call.ended(END_TIMEOUT_S)
        self._output.event("call-ended", **report.fields(self._people))
        self._ended += 1
        self._check()

    async def finish(self) -> None:
        """Hang up, and show the figures."""
        for call in list(self._reports):
            if call.phase is not CallPhase.ENDED:
                await call.hang_up()
                self._reports[call].note()
                await self._end(self._reports[call])
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_TIMEOUT_S)
        self._output.event(
            "result", messages=self._messages, receipts=self._receipts, calls=self._ended
        )
        show_reports(self._output, self._people, list(self._reports.values()))
        self._output.progress(f"{self._messages} messages, {self._receipts} receipts")
