"""The program `ringline` as scripts use it, on a real gateway."""

import asyncio
import json
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.client.conftest import number
from tests.integration.gateway.stage import TEST_CODE, Node

DEADLINE_S = 40
Start = Callable[..., Awaitable["Run"]]


class Run:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of this kind."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == kind:
                    return self.events[-1]
        raise AssertionError(f"ended without {kind}: {self.events}")

    async def end(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                self.events.append(json.loads(line))
            return await self.process.wait()

    def last(self, kind: str) -> dict[str, Any]:
        return [event for event in self.events if event["event"] == kind][-1]


@pytest.fixture
async def start(node: Node, tmp_path: Path) -> AsyncIterator[Start]:
    """`start(profile, command, …)`; whatever still runs at the end is killed."""
    runs: list[Run] = []

    async def begin(profile: str, *arguments: str) -> Run:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ringline",
            *arguments,
            *("--json", "--profile", str(tmp_path / profile), "--server", node.url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        runs.append(Run(process))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.returncode is None:
            run.process.kill()
        await run.process.communicate()


@pytest.fixture
async def both(start: Start) -> Start:
    """Ann and Bob have registered."""
    registering = [
        await start(profile, "register", number(last), "--code", TEST_CODE)
        for profile, last in (("ann", 1), ("bob", 2))
    ]
    for run in registering:
        assert await run.end() == 0
        assert run.last("registered")["device"] == 1
    return start


async def test_send_and_listen(both: Start) -> None:
    bob = await both("bob", "listen", "--read", "--accept", "--count", "2")
    await bob.until("caught-up")
    ann = await both("ann", "send", number(2), "one", "--wait", "read")
    assert await ann.end() == 0
    kinds = [event["event"] for event in ann.events]
    assert kinds == ["queued", "sent", "delivered", "read", "result"]
    result = ann.last("result")
    assert set(result["ms"]) == {"sent", "delivered", "read"}
    assert (result["state"], result["number"]) == ("read", number(2))
    again = await both("ann", "send", result["conversation"], "two")
    assert await again.end() == 0
    assert await bob.end() == 0
    shown = [event for event in bob.events if event["event"] == "message"]
    assert [(m["text"], m["sequence"]) for m in shown] == [("one", 1), ("two", 2)]
    assert bob.last("result")["messages"] == 2


async def test_what_send_gets_meanwhile_is_there_for_listen(both: Start) -> None:
    for profile, to in (("ann", 2), ("bob", 1)):
        run = await both(profile, "send", number(to), f"from {profile}")
        assert await run.end() == 0
    ann = await both("ann", "listen", "--count", "1")
    assert await ann.end() == 0
    assert ann.last("message")["text"] == "from bob"
    receipt = await both("bob", "listen", "--for", "0.5")
    assert await receipt.end() == 0


async def test_sending_beside_a_listener(both: Start) -> None:
    ann = await both("ann", "listen")
    await ann.until("caught-up")
    bob = await both("bob", "listen", "--count", "1")
    sending = await both("ann", "send", number(2), "hello", "--wait", "delivered")
    assert await sending.end() == 0
    assert await bob.end() == 0
    assert (await ann.until("receipt"))["kind"] == "delivered"
    busy = await both("ann", "listen")
    assert await busy.end() == 1
    ann.process.send_signal(signal.SIGTERM)
    assert await ann.end() == 0
    assert ann.events[-1]["event"] == "result"


async def test_linking_and_revoking(both: Start) -> None:
    showing = await both("ann", "link")
    code = (await showing.until("link-code"))["code"]
    joining = await both("tablet", "register", "--link", code, "--name", "tablet")
    assert await joining.end() == 0
    assert await showing.end() == 0
    assert showing.last("linked")["name"] == "tablet"
    listing = await both("tablet", "devices")
    assert await listing.end() == 0
    devices = listing.last("devices")["devices"]
    assert [(d["device"], d["this"]) for d in devices] == [(1, False), (2, True)]
    removing = await both("ann", "devices", "--revoke", "2")
    assert await removing.end() == 0
    gone = await both("tablet", "listen")
    assert await gone.end() == 3
    unknown = await both("ann", "devices", "--revoke", "9")
    assert await unknown.end() == 4
    assert unknown.last("error")["problem"] == "not-found"


async def test_refusals_and_time_outs(both: Start) -> None:
    nobody = await both("ann", "send", number(77), "hello")
    assert await nobody.end() == 4
    late = await both("ann", "send", number(2), "hello", "--wait", "read", "--timeout", "0.5")
    assert await late.end() == 5
    in_vain = await both("ann", "listen", "--count", "9", "--for", "0.3")
    assert await in_vain.end() == 5
    uncalled = await both("ann", "call", number(2), "--video", "none", "--no-ask")
    assert await uncalled.end() == 4
    assert uncalled.last("error")["problem"] == "not-accepted"


async def test_a_call(both: Start, tmp_path: Path) -> None:
    recording = tmp_path / "call.mkv"
    bob = await both("bob", "listen", "--answer", "--calls", "1", "--record", str(recording))
    await bob.until("caught-up")
    ann = await both("ann", "call", number(2), "--duration", "2")
    assert await ann.end() == 0
    assert await bob.end() == 0
    assert [event["event"] for event in ann.events].count("asked") == 1
    ours, theirs = ann.last("call-ended"), bob.last("call-ended")
    assert (ours["direction"], ours["reason"]) == ("outgoing", "hung-up")
    assert (theirs["direction"], theirs["reason"]) == ("incoming", "other-hung-up")
    assert theirs["recording"] == str(recording)
    assert recording.stat().st_size > 10_000
    for ended in (ours, theirs):
        assert ended["statistics"]["video_frames_decoded"] > 10
        assert ended["answer_ms"] <= ended["active_ms"]
        assert 1 < ended["duration_s"] < 10


async def test_a_call_that_is_turned_away(both: Start) -> None:
    bob = await both("bob", "listen", "--accept")
    await bob.until("caught-up")
    ann = await both("ann", "call", number(2), "--video", "none", "--ring", "3")
    assert await ann.end() == 5
    assert ann.last("call-ended")["reason"] == "timed-out"
    assert ann.last("call-ended")["statistics"] is not None
    await bob.until("missed-call")


async def test_a_device_that_somebody_else_registered(
    start: Start, node: Node, tmp_path: Path
) -> None:
    made = tmp_path / "credential.json"
    device = {"name": "made elsewhere", "registration_id": 4711}
    async with node.http.post(f"{node.url}/v1/registrations", json={"number": number(7)}) as answer:
        registration = (await answer.json())["registration"]
    async with node.http.post(
        f"{node.url}/v1/registrations/{registration}/device",
        json={"code": TEST_CODE, "device": device},
    ) as answer:
        made.write_bytes(await answer.read())
    taking = await start("taken", "register", "--credential", str(made))
    assert await taking.end() == 0
    registered = taking.last("registered")
    assert registered["account"] == json.loads(made.read_text())["account"]
    assert (registered["name"], registered["number"]) == ("made elsewhere", number(7))
    listing = await start("taken", "devices")
    assert await listing.end() == 0

    made.write_text("{}")
    refused = await start("other", "register", "--credential", str(made))
    assert await refused.end() == 2
