"""What happens in the demo: two people, three devices, messages, a video call, and then three people."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringlined.demo.clip import FRAMES, SECONDS, find_clip
from ringlined.demo.meeting import TEST_CODE, Meeting
from ringlined.trial.device import SHORT_TIMEOUT_S, Device, of_kind, texts
from ringlined.trial.program import Event, StepFailed
from ringlined.trial.step import Figures, Step

ANN_NUMBER: Final = "+15550100111"
BOB_NUMBER: Final = "+15550100122"
OFFLINE_MESSAGES: Final = 5
RELAYED_S: Final = 3
RELAYED_FRAMES_MIN: Final = 30
RELAYED_SOUND_S_MIN: Final = 1.5
CALL_TIMEOUT_S: Final = 40.0
RECEIVED_SHARE_MIN: Final = 0.8
"""Of the clip's pictures and sound, on each side. A busy machine drops some; a broken call, nearly all."""


@dataclass(frozen=True, slots=True)
class Cast:
    ann: Device
    bob: Device
    bobs_tablet: Device
    cleo: Device
    """Comes to the group call, where there is no browser."""

    @property
    def devices(self) -> tuple[Device, ...]:
        return (self.ann, self.bob, self.bobs_tablet, self.cleo)


def cast(program: str, server: str, directory: Path) -> Cast:
    def device(name: str) -> Device:
        return Device(name, directory / name, program, server)

    return Cast(device("ann"), device("bob"), device("bobs-tablet"), device("cleo"))


class Story:
    def __init__(self, cast: Cast) -> None:
        self._ann = cast.ann
        self._bob = cast.bob
        self._tablet = cast.bobs_tablet
        self._meeting = Meeting(cast.ann, cast.bob, cast.cleo)

    def steps(self) -> list[Step]:
        return [
            Step("Ann and Bob register", self.register),
            Step("A message, sent, delivered and read", self.message),
            Step("An answer while both are on line", self.answer),
            Step("Bob is off line, and finds what was written", self.offline),
            Step("Bob links a second device", self.second_device),
            Step("Both of Bob's devices get a message", self.both_devices),
            Step("A video call", self.call),
            Step("The same through the relay alone", self.relayed_call),
            Step("Three people in a group call", self.meeting),
        ]

    async def register(self) -> Figures:
        await asyncio.gather(
            self._register(self._ann, ANN_NUMBER), self._register(self._bob, BOB_NUMBER)
        )
        return {"accounts": 2}

    async def _register(self, device: Device, number: str) -> None:
        await device.do("register", number, "--code", TEST_CODE, "--name", device.name)

    async def message(self) -> Figures:
        """Ann's first message is a request, which Bob accepts."""
        await self._bob.listen("--read", "--accept")
        return _receipts(await self._ann.do("send", BOB_NUMBER, "Hello Bob", "--wait", "read"))

    async def answer(self) -> Figures:
        ann = await self._ann.listen("--read", "--accept")
        await self._bob.do("send", ANN_NUMBER, "Hello Ann")
        await ann.wait_for("message", lambda events: "Hello Ann" in texts(events), SHORT_TIMEOUT_S)
        bob = self._bob.listening
        assert bob is not None
        await bob.wait_for("read receipt", lambda events: _kinds(events) >= BOTH, SHORT_TIMEOUT_S)
        return {"receipts": sorted(_kinds(bob.events))}

    async def offline(self) -> Figures:
        await self._bob.leave()
        written = [f"While you were away, {n}" for n in range(1, OFFLINE_MESSAGES + 1)]
        for text in written:
            await self._ann.do("send", BOB_NUMBER, text)
        bob = await self._bob.listen("--read", "--accept")
        found = await bob.wait_for(
            "messages",
            lambda events: shown if len(shown := texts(events)) >= len(written) else None,
            SHORT_TIMEOUT_S,
        )
        if found != written:
            raise StepFailed(f"came in another order, or not all, or twice: {found}")
        return {"messages": len(found), "in_order": True}

    async def second_device(self) -> Figures:
        await self._bob.leave()
        showing = await self._bob.start("link")
        [shown] = await showing.wait_for(
            "link code", lambda events: of_kind(events, "link-code"), SHORT_TIMEOUT_S
        )
        link = ("--link", shown["code"], "--name", self._tablet.name)
        [joined] = of_kind(await self._tablet.do("register", *link), "registered")
        await showing.result(SHORT_TIMEOUT_S)
        return {"devices": 2, "device": joined["device"]}

    async def both_devices(self) -> Figures:
        clip = str(find_clip())
        runs = await asyncio.gather(
            self._bob.listen("--answer", "--video", clip), self._tablet.listen()
        )
        await self._ann.do("send", BOB_NUMBER, "To all your devices")
        for run in runs:
            await run.wait_for(
                "message", lambda events: "To all your devices" in texts(events), SHORT_TIMEOUT_S
            )
        return {"devices": len(runs)}

    async def call(self) -> Figures:
        """Both show the clip. Bob's tablet rings too and is told that he took it elsewhere."""
        await self._ann.leave()
        said = await self._ann.do(
            "call", BOB_NUMBER, "--video", str(find_clip()), timeout_s=CALL_TIMEOUT_S
        )
        bob, tablet = self._bob.listening, self._tablet.listening
        assert bob is not None
        assert tablet is not None
        [theirs] = await bob.wait_for("end of the call", _ended_calls, SHORT_TIMEOUT_S)
        [elsewhere] = await tablet.wait_for("end of ringing", _ended_calls, SHORT_TIMEOUT_S)
        [ours] = _ended_calls(said)
        figures: Figures = {"answered_ms": ours["answer_ms"]}
        figures |= {"ann": quality("Ann", ours), "bob": quality("Bob", theirs)}
        figures["tablet"] = elsewhere["reason"]
        return figures

    async def relayed_call(self) -> Figures:
        """Neither learns the other's address."""
        await self._bob.leave()
        await self._tablet.leave()
        bob = await self._bob.listen("--answer", "--relay-only", "--video", "test")
        said = await self._ann.do(
            *("call", BOB_NUMBER, "--relay-only", "--video", "test"),
            *("--duration", str(RELAYED_S)),
            timeout_s=CALL_TIMEOUT_S,
        )
        [theirs] = await bob.wait_for("end of the call", _ended_calls, SHORT_TIMEOUT_S)
        await self._bob.leave()
        [ours] = _ended_calls(said)
        frames = [relayed_frames("Ann", ours), relayed_frames("Bob", theirs)]
        return {"frames": frames, "both_ends": "relay"}

    async def meeting(self) -> Figures:
        return await self._meeting.hold()


BOTH: Final = frozenset({"delivered", "read"})


def _kinds(events: list[Event]) -> frozenset[str]:
    return frozenset(event["kind"] for event in of_kind(events, "receipt"))


def _receipts(events: list[Event]) -> Figures:
    [result] = of_kind(events, "result")
    return {f"{state}_ms": ms for state, ms in result["ms"].items()}


def _ended_calls(events: list[Event]) -> list[Event]:
    return of_kind(events, "call-ended")


def quality(name: str, ended: Event) -> dict[str, Any]:
    """What one side received. Raises StepFailed when that is not a call."""
    statistics = ended["statistics"]
    if statistics is None:
        raise StepFailed(f"{name} heard and saw nothing: {ended['reason']} {ended['error'] or ''}")
    frames, seconds = statistics["video_frames_decoded"], statistics["audio_seconds_received"]
    if frames < RECEIVED_SHARE_MIN * FRAMES or seconds < RECEIVED_SHARE_MIN * SECONDS:
        raise StepFailed(
            f"{name} received {frames} of {FRAMES} pictures and {seconds:.1f} of {SECONDS} s of "
            "sound. Is the machine busy with something else?"
        )
    return {
        "frames": frames,
        "audio_s": round(seconds, 2),
        "loss_percent": round(100 * statistics["loss_fraction"], 2),
        "jitter_ms": _rounded(statistics["jitter_ms"]),
        "round_trip_ms": _rounded(statistics["round_trip_ms"]),
        "mos": _rounded(statistics["mos"]),
        "first_picture_ms": _rounded(statistics["first_frame_ms"]),
    }


def relayed_frames(name: str, ended: Event) -> int:
    """Pictures that came through the relay. Raises StepFailed when they took another way."""
    statistics = ended["statistics"]
    if statistics is None:
        raise StepFailed(f"{name} heard and saw nothing: {ended['reason']} {ended['error'] or ''}")
    ends = (statistics["local_candidate"], statistics["remote_candidate"])
    if ends != ("relay", "relay"):
        raise StepFailed(f"{name}'s media went from {ends[0]} to {ends[1]}, not by the relay")
    frames, seconds = statistics["video_frames_decoded"], statistics["audio_seconds_received"]
    if frames < RELAYED_FRAMES_MIN or seconds < RELAYED_SOUND_S_MIN:
        raise StepFailed(
            f"{name} received {frames} pictures and {seconds:.1f} s of sound in {RELAYED_S} s"
        )
    return int(frames)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
