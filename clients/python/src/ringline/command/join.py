"""`ringline join`: a group call, to its end."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ringline.client.client import Client
from ringline.client.group_link import GroupLink, read_link
from ringline.client.group_side import Came, Muted, Published, Unpublished, Went
from ringline.client.net.group_call import GroupCall, GroupEvent, GroupPhase, PhaseChanged
from ringline.command.exit_codes import ExitCode
from ringline.command.media_options import MediaOptions
from ringline.command.output import Output
from ringline.command.people import People
from ringline.command.run import Failed
from ringline.protocol.sfu import Participant

JOIN_TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 15.0


async def join_call(
    output: Output,
    stop: asyncio.Event,
    profile: str,
    server: str | None,
    link_text: str | None,
    media: MediaOptions,
    *,
    name: str,
    members: Sequence[str],
    duration_s: float | None,
) -> ExitCode:
    media.check()
    link = read_link(link_text) if link_text is not None else None
    async with await Client.open(
        profile, server=server or (link.server if link else None), shared=True
    ) as client:
        if client.is_live:
            await client.ready(CONNECT_TIMEOUT_S)
        people = People(client)
        await people.load()
        if link is None:
            link = await _new_call(output, client, people, members)
        output.progress("Joining …")
        peer = media.group_peer(client.server)
        call = await client.join_group_call(link, peer, name=name, timeout_s=JOIN_TIMEOUT_S)
        return await _stay(output, stop, call, people, sends=media.sends, duration_s=duration_s)


async def _new_call(
    output: Output, client: Client, people: People, members: Sequence[str]
) -> GroupLink:
    accounts = [await people.find(each) for each in members]
    made = await client.create_group_call(accounts)
    link = GroupLink(made.call, made.link_token)
    text = link.text(client.server)
    output.event("group-call", call=made.call, link=text)
    output.line(text)
    output.progress("Whoever has this link may join.")
    return link


async def _stay(
    output: Output,
    stop: asyncio.Event,
    call: GroupCall,
    people: People,
    *,
    sends: bool,
    duration_s: float | None,
) -> ExitCode:
    """Until `stop`, the end of the call, the end of one's own source, or the time."""
    show = _Show(output, people)
    following = asyncio.ensure_future(show.follow(call))
    ends: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(call.ended()),
    ]
    if sends and duration_s is None:
        ends.append(asyncio.ensure_future(call.media.wait_sent()))
    try:
        await asyncio.wait(ends, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        ended_by_others = call.phase is GroupPhase.ENDED
        statistics = call.media.statistics()
        await call.leave()
    finally:
        for task in (*ends, following):
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await following
    show.report(call, statistics)
    good = not ended_by_others or call.reason in ("call-ended", "left")
    if not good:
        raise Failed(f"out of the call: {call.reason}")
    return ExitCode.OK


class _Show:
    """What happens, as it happens; at the end, what came of whom."""

    def __init__(self, output: Output, people: People) -> None:
        self._output = output
        self._people = people
        self._tracks: dict[str, Participant] = {}
        """Who published it."""

    async def follow(self, call: GroupCall) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async for event in call.events():
                self._show(call, event)

    def _show(self, call: GroupCall, event: GroupEvent) -> None:
        match event:
            case PhaseChanged():
                self._event("group-call-phase", call, phase=event.phase, reason=event.reason)
                reason = f": {event.reason}" if event.reason else ""
                self._output.progress(f"group call, {event.phase.value}{reason}")
            case Came():
                self._event("participant-joined", call, **self._who(event.participant))
                self._output.line(f"{self._name(event.participant)} joined")
            case Went():
                who = self._who(event.participant)
                self._event("participant-left", call, reason=event.reason, **who)
                self._output.line(f"{self._name(event.participant)} left: {event.reason.value}")
            case Published() | Unpublished() | Muted():
                self._tracks.setdefault(event.track.track, event.participant)
                verb = {Published: "published", Unpublished: "ended", Muted: "muted"}[type(event)]
                track = msgspec.to_builtins(event.track)
                who = self._who(event.participant)
                self._event(f"track-{verb}", call, **{**who, **track})

    def _event(self, name: str, call: GroupCall, /, **fields: Any) -> None:
        self._output.event(name, call=call.id, **fields)

    def _who(self, participant: Participant) -> dict[str, Any]:
        return {
            "participant": participant.participant,
            "account": participant.account,
            "device": participant.device,
            "name": participant.name,
        }

    def _name(self, participant: Participant) -> str:
        return participant.name or self._people.name(participant.account)

    def report(self, call: GroupCall, statistics: dict[str, Any]) -> None:
        """`participants`: by participant id, what was received of each, sound and pictures together."""
        known = dict(self._tracks)
        for track, (participant, _) in call.side.tracks().items():
            known.setdefault(track, participant)
        received: dict[str, dict[str, Any]] = {}
        for track, numbers in statistics.items():
            if track not in known:
                continue
            who = known[track]
            entry = received.setdefault(
                who.participant,
                {
                    **self._who(who),
                    "frames_decoded": 0,
                    "audio_seconds": 0.0,
                    "first_frame_ms": None,
                },
            )
            entry["frames_decoded"] += numbers.frames_decoded
            entry["audio_seconds"] = round(entry["audio_seconds"] + numbers.audio_seconds, 3)
            if numbers.kind == "video" and numbers.first_frame_ms is not None:
                first = entry["first_frame_ms"]
                entry["first_frame_ms"] = min(
                    first or numbers.first_frame_ms, numbers.first_frame_ms
                )
        self._event(
            "group-call-ended", call, reason=call.reason, participants=list(received.values())
        )
        self._output.table(
            ["who", "frames shown", "sound, s", "first frame, ms"],
            [
                (
                    entry["name"] or self._people.name(entry["account"]),
                    entry["frames_decoded"],
                    entry["audio_seconds"],
                    entry["first_frame_ms"],
                )
                for entry in received.values()
            ],
        )
