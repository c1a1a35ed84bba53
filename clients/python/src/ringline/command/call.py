"""`ringline call`: place a call, send, receive, and say what it was like."""

import asyncio
import contextlib
import time
from typing import Any
from uuid import UUID

from ringline.client.call_side import CallPhase, EndReason
from ringline.client.client import Client
from ringline.client.errors import DeadlinePassed, Refused
from ringline.client.events import CallChanged, CallReceived
from ringline.client.net.call import OutgoingCall
from ringline.command.call_report import CallReport, show_phase, show_reports
from ringline.command.exit_codes import ExitCode
from ringline.command.media_options import MediaOptions
from ringline.command.output import Output
from ringline.command.people import People

ASK_TEXT = "I would like to call you. Accept me as a contact, then it rings."
ASK_AGAIN_S = 1.0
CONNECT_TIMEOUT_S = 15.0
ANSWER_GRACE_S = 20.0
END_TIMEOUT_S = 30.0
Dialled = tuple[OutgoingCall, float]
"""And when it was dialled, on the monotonic clock."""
_GOOD_ENDS = frozenset({EndReason.HUNG_UP, EndReason.OTHER_HUNG_UP})
_CODES = {
    EndReason.TIMED_OUT: ExitCode.UNREACHABLE,
    EndReason.UNREACHABLE: ExitCode.UNREACHABLE,
    EndReason.REFUSED: ExitCode.REFUSED,
}


async def call_person(
    output: Output,
    stop: asyncio.Event,
    profile: str,
    server: str | None,
    to: str,
    media: MediaOptions,
    *,
    duration_s: float | None,
    ring_s: int,
    ask: bool,
) -> ExitCode:
    media.check()
    async with await Client.open(profile, server=server) as client:
        await client.ready(CONNECT_TIMEOUT_S)
        people = People(client)
        await people.load()
        account = await people.find(to)
        output.progress(f"Calling {people.name(account)} …")
        dial = asyncio.ensure_future(_dial(client, output, account, media, ring_s=ring_s, ask=ask))
        dialled = await _or_stopped(dial, stop)
        if dialled is None:
            return ExitCode.FAILED
        call, start_s = dialled
        report = CallReport(call, "outgoing", media.recording(1), start_s)
        follow = asyncio.ensure_future(_follow(client, output, people, report))
        try:
            await _talk(call, stop, media.sends, duration_s, ring_s + ANSWER_GRACE_S)
        finally:
            follow.cancel()
            await asyncio.wait([follow])
        report.note()
        output.event("call-ended", **report.fields(people))
        show_reports(output, people, [report])
        return _exit_code(report, stop)


async def _or_stopped(work: asyncio.Future[Dialled], stop: asyncio.Event) -> Dialled | None:
    """None: the person has had enough."""
    stopped = asyncio.ensure_future(stop.wait())
    both: list[asyncio.Future[Any]] = [work, stopped]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if work.done():
        return work.result()
    work.cancel()
    await asyncio.wait([work])
    return None


async def _dial(
    client: Client,
    output: Output,
    account: UUID,
    media: MediaOptions,
    *,
    ring_s: int,
    ask: bool,
) -> Dialled:
    """Somebody who has not accepted one yet is asked once, and has until the ring time is over."""
    until_s = time.monotonic() + ring_s
    asked = False
    while True:
        try:
            start_s = time.monotonic()
            factory = media.factory(client.server, media.recording(1))
            return await client.place_call(account, factory, ring_s=ring_s), start_s
        except Refused as error:
            waits = error.name == "not-accepted" and ask
            if not waits or time.monotonic() > until_s:
                raise
        if not asked:
            asked = True
            await client.send(account, ASK_TEXT)
            output.event("asked", account=account)
            output.progress("They have not accepted you yet: asked, and waiting …")
        await asyncio.sleep(ASK_AGAIN_S)


async def _follow(client: Client, output: Output, people: People, report: CallReport) -> None:
    """Show the phases; turn away whoever else rings. What is written meanwhile stays for `listen`."""
    show_phase(output, people, report)
    async for event in client.live_events():
        if isinstance(event, CallReceived):
            await event.call.busy()
        elif isinstance(event, CallChanged) and event.call is report.call:
            show_phase(output, people, report)


async def _talk(
    call: OutgoingCall,
    stop: asyncio.Event,
    sends: bool,
    duration_s: float | None,
    answer_s: float,
) -> None:
    """Until one's own source has ended, the time is over, the other hangs up, or `stop`."""
    ends: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(_over(call)),
    ]
    try:
        active = asyncio.ensure_future(call.active(answer_s))
        ends.append(active)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if call.phase is CallPhase.ACTIVE and not stop.is_set():
            ends.remove(active)
            if sends:
                ends.append(asyncio.ensure_future(call.media_sent()))
            await asyncio.wait(ends, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        await call.hang_up()
        with contextlib.suppress(DeadlinePassed):
            await call.ended(END_TIMEOUT_S)
    finally:
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _over(call: OutgoingCall) -> None:
    with contextlib.suppress(DeadlinePassed):
        await call.ended(24 * 3600)


def _exit_code(report: CallReport, stop: asyncio.Event) -> ExitCode:
    if report.was_active and report.call.reason in _GOOD_ENDS:
        return ExitCode.OK
    if stop.is_set():
        return ExitCode.FAILED
    reason = report.call.reason
    return ExitCode.FAILED if reason is None else _CODES.get(reason, ExitCode.FAILED)
