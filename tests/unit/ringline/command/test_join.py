"""What `ringline join` says, without a call; with one in tests/e2e and the demo."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from ringline.client.group_side import Came, Change, GroupSide, Muted, Published, Unpublished, Went
from ringline.client.net.group_call import GroupCall, GroupPhase, PhaseChanged
from ringline.command.exit_codes import ExitCode
from ringline.command.join import _stay
from ringline.command.output import Output
from ringline.command.people import People
from ringline.command.run import Failed
from ringline.media.group_peer import TrackStatistics
from ringline.protocol.sfu import LeaveReason, Participant, Track, TrackKind, TrackSource

CALL, ACCOUNT = uuid.UUID(int=7), uuid.UUID(int=2)
SOUND = Track(track="a", kind=TrackKind.AUDIO, source=TrackSource.MICROPHONE, muted=False)
PICTURE = Track(track="v", kind=TrackKind.VIDEO, source=TrackSource.CAMERA, muted=False)
BOB = Participant(participant="bob", account=ACCOUNT, device=1, name="Bob", tracks=[])
EVENTS: list[Change | PhaseChanged] = [
    PhaseChanged(GroupPhase.ACTIVE),
    Came(BOB),
    Published(BOB, SOUND),
    Published(BOB, PICTURE),
    Muted(BOB, PICTURE),
    Unpublished(BOB, PICTURE),
    Went(BOB, LeaveReason.LEFT),
]


class Names:
    def name(self, account: uuid.UUID) -> str:
        return str(account)


class Media:
    def statistics(self) -> dict[str, TrackStatistics]:
        return {
            "a": TrackStatistics(
                kind="audio", frames_decoded=0, audio_seconds=1.5, first_frame_ms=80.0
            ),
            "v": TrackStatistics(
                kind="video", frames_decoded=25, audio_seconds=0, first_frame_ms=90.0
            ),
            "nobody's": TrackStatistics(
                kind="video", frames_decoded=9, audio_seconds=0, first_frame_ms=1.0
            ),
        }

    async def wait_sent(self) -> None:
        await asyncio.Event().wait()


class Call:
    def __init__(self, ends: str | None = None) -> None:
        self.id = CALL
        self.side = GroupSide(CALL)
        self.media = Media()
        self.phase = GroupPhase.ACTIVE
        self.reason: str | None = None
        self._left = asyncio.Event()
        self._ends = ends

    async def events(self) -> AsyncIterator[Any]:
        for event in EVENTS:
            yield event
        await self._left.wait()

    async def ended(self) -> str:
        if self._ends is None:
            await self._left.wait()
            return "left"
        self.phase, self.reason = GroupPhase.ENDED, self._ends
        return self._ends

    async def leave(self) -> None:
        self.reason = self.reason or "left"
        self._left.set()


async def stay(call: Call, *, as_json: bool, duration_s: float | None = 0.05) -> ExitCode:
    return await _stay(
        Output(as_json),
        asyncio.Event(),
        cast(GroupCall, call),
        cast(People, Names()),
        sends=False,
        duration_s=duration_s,
    )


async def test_events_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert await stay(Call(), as_json=True) is ExitCode.OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [
        "group-call-phase",
        "participant-joined",
        "track-published",
        "track-published",
        "track-muted",
        "track-ended",
        "participant-left",
        "group-call-ended",
    ]
    assert {line["call"] for line in lines} == {str(CALL)}
    assert lines[3]["kind"] == "video"
    assert lines[-1]["reason"] == "left"
    assert lines[-1]["participants"] == [
        {
            "participant": "bob",
            "account": str(ACCOUNT),
            "device": 1,
            "name": "Bob",
            "frames_decoded": 25,
            "audio_seconds": 1.5,
            "first_frame_ms": 90.0,
        }
    ], "sound and pictures together, and nothing of whom nobody told"


async def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    await stay(Call(), as_json=False)
    said = capsys.readouterr()
    assert "Bob joined" in said.out
    assert "Bob left: left" in said.out
    assert "frames shown" in said.out
    assert "25" in said.out
    assert "{" not in said.out


@pytest.mark.parametrize("reason", ["removed", "replaced", "unreachable"])
async def test_put_out_is_no_success(reason: str) -> None:
    with pytest.raises(Failed, match=reason):
        await stay(Call(reason), as_json=True, duration_s=None)


async def test_the_end_for_everybody_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert await stay(Call("call-ended"), as_json=True, duration_s=None) is ExitCode.OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["reason"] == "call-ended"
