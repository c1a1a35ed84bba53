"""Real use, by the `ringline` program: a message, a call through the relay alone, a group call."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ringline.protocol.codec import encode_body
from ringlined.doctor.gateway_hops import Account
from ringlined.trial.device import SHORT_TIMEOUT_S, Device, of_kind
from ringlined.trial.program import Event, StepFailed
from ringlined.trial.step import SKIPPED, Figures

CALL_S: Final = 3
MEETING_S: Final = 12
"""The most that the first one waits for the second one's pictures."""
CALL_TIMEOUT_S: Final = 40.0
FRAMES_MIN: Final = 20
SOUND_S_MIN: Final = 1.0
CA_VARIABLE: Final = "RINGLINE_CA_FILE"
NOT_SEALED: Final = "the server takes sealed messages only, and this version's clients do not seal"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two devices of two accounts. `second`: how the first one addresses the second's."""

    first: Device
    second: Device
    account: UUID

    async def stop(self) -> None:
        await asyncio.gather(self.first.stop(), self.second.stop())


async def enter(
    program: str, server: str, ca_file: str, accounts: tuple[Account, Account], directory: Path
) -> Pair:
    """The program as both accounts' devices. Raises StepFailed."""
    variables = {CA_VARIABLE: ca_file} if ca_file else {}
    devices = []
    for name, account in zip(("first", "second"), accounts, strict=True):
        device = Device(name, directory / name, program, server, variables)
        file = directory / f"{name}.json"
        file.touch(mode=0o600)
        file.write_bytes(encode_body(account.credential))
        await device.do("register", "--credential", str(file))
        devices.append(device)
    return Pair(devices[0], devices[1], accounts[1].credential.account)


async def check_message(pair: Pair, *, sealed_only: bool) -> Figures:
    """Sent, stored, delivered, read. Raises StepFailed."""
    if sealed_only:
        return {SKIPPED: NOT_SEALED}
    await pair.second.listen("--read", "--accept")
    said = await pair.first.do("send", str(pair.account), "Are you well?", "--wait", "read")
    await pair.second.leave()
    [result] = of_kind(said, "result")
    return {f"{state}_ms": ms for state, ms in result["ms"].items()}


async def check_call(pair: Pair, *, sealed_only: bool) -> Figures:
    """With pictures and sound, and both ends behind the relay. Raises StepFailed."""
    if sealed_only:
        return {SKIPPED: NOT_SEALED}
    answering = await pair.second.listen("--answer", "--relay-only", "--video", "test")
    calling = ("--relay-only", "--video", "test", "--duration", str(CALL_S))
    said = await pair.first.do("call", str(pair.account), *calling, timeout_s=CALL_TIMEOUT_S)
    [theirs] = await answering.wait_for(
        "end of the call", lambda events: of_kind(events, "call-ended"), SHORT_TIMEOUT_S
    )
    await pair.second.leave()
    [ours] = of_kind(said, "call-ended")
    for name, ended in (("the caller", ours), ("the called", theirs)):
        judge_call(name, ended["statistics"])
    statistics = ours["statistics"]
    return {
        "frames": [
            statistics["video_frames_decoded"],
            theirs["statistics"]["video_frames_decoded"],
        ],
        "set_up_ms": statistics["set_up_ms"],
        "pair": f"{statistics['local_candidate']}/{statistics['remote_candidate']}",
    }


def judge_call(name: str, statistics: dict[str, Any] | None) -> None:
    """Raises StepFailed."""
    if statistics is None:
        raise StepFailed(f"{name} received nothing")
    frames, sound_s = statistics["video_frames_decoded"], statistics["audio_seconds_received"]
    if frames < FRAMES_MIN or sound_s < SOUND_S_MIN:
        raise StepFailed(
            f"{name} received {frames} pictures and {sound_s:.1f} s of sound in {CALL_S} s",
            "Does the machine, or the way to the relay, have room for it?",
        )
    ends = (statistics["local_candidate"], statistics["remote_candidate"])
    if ends != ("relay", "relay"):
        raise StepFailed(f"{name} went another way than the relay: {ends[0]} to {ends[1]}")


async def check_group_call(pair: Pair) -> Figures:
    """Made, joined by the link, seen and heard by both. Raises StepFailed."""
    first = await pair.first.start(
        "join", "--name", "first", "--video", "test", "--duration", str(MEETING_S)
    )
    [made] = await first.wait_for(
        "link", lambda events: of_kind(events, "group-call"), SHORT_TIMEOUT_S
    )
    said = await pair.second.do(
        *("join", made["link"], "--name", "second", "--video", "test", "--duration", str(CALL_S)),
        timeout_s=CALL_TIMEOUT_S,
    )
    await first.finish()
    frames = []
    for name, events in (("second", said), ("first", first.events)):
        [ended] = of_kind(events, "group-call-ended")
        frames.append(judge_meeting(name, ended))
    return {"frames": frames}


def judge_meeting(name: str, ended: Event) -> int:
    """Pictures that it received of the other. Raises StepFailed."""
    received = ended["participants"]
    frames = sum(each["frames_decoded"] for each in received)
    sound_s = sum(each["audio_seconds"] for each in received)
    if frames < FRAMES_MIN or sound_s < SOUND_S_MIN:
        raise StepFailed(
            f"the {name} received {frames} pictures and {sound_s:.1f} s of sound in {CALL_S} s",
            "Do datagrams reach sfu.media_port (UDP)? Behind an address translation set "
            "sfu.external_address.",
        )
    return int(frames)
