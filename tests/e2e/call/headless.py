"""Run in a namespace with only `lo`: a whole stack, two people, one call with the clip, recorded by both.

`headless.py FOLDER CLIP` leaves there.mkv (what the callee received) and back.mkv (the caller), and
prints the two `call-ended` events, caller first.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from loadtest.stack import free_ports

PROGRAMS = Path(sys.executable).parent
NUMBERS = {"ann": "+15550100141", "bob": "+15550100142"}
TEST_CODE = "000000"


class Ringline:
    def __init__(self, folder: Path, server: str, name: str) -> None:
        self._options = ["--profile", str(folder / name), "--server", server, "--json"]

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            PROGRAMS / "ringline", *words, *self._options, stdout=subprocess.PIPE
        )

    async def do(self, *words: str) -> list[dict[str, Any]]:
        process = await self.start(*words)
        output, _ = await process.communicate()
        assert process.returncode == 0, (words, process.returncode, output)
        return [json.loads(line) for line in output.splitlines()]


async def heard(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """The next such event."""
    assert process.stdout is not None
    async for line in process.stdout:
        said: dict[str, Any] = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"ended without {event}")


async def whole_call(folder: Path, clip: str, server: str) -> None:
    ann, bob = (Ringline(folder, server, name) for name in NUMBERS)
    await ann.do("register", NUMBERS["ann"], "--code", TEST_CODE)
    await bob.do("register", NUMBERS["bob"], "--code", TEST_CODE)
    await ann.do("send", NUMBERS["bob"], "May I call?")
    media = ["--video", clip, "--max-height", "360"]
    listening = await bob.start(
        "listen", "--accept", "--answer", *media, "--record", str(folder / "there.mkv")
    )
    await heard(listening, "message")
    said = await ann.do("call", NUMBERS["bob"], *media, "--record", str(folder / "back.mkv"))
    [ours] = [event for event in said if event["event"] == "call-ended"]
    theirs = await heard(listening, "call-ended")
    listening.terminate()
    await listening.communicate()
    print(json.dumps(ours), json.dumps(theirs), sep="\n")


async def main(folder: Path, clip: str) -> None:
    port, admin = free_ports(2)
    config = folder / "ringline.toml"
    config.write_text(f"[gateway]\nadmin_port = {admin}\n", encoding="utf-8")
    up = await asyncio.create_subprocess_exec(
        PROGRAMS / "ringlined",
        *("up", "--data", str(folder / "data"), "--port", str(port), "--config", str(config)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert up.stdout is not None
        while b"Ringline is up" not in await up.stdout.readline():
            assert up.returncode is None and not up.stdout.at_eof(), "the stack did not start"
        await whole_call(folder, clip, f"http://127.0.0.1:{port}")
    finally:
        up.terminate()
        await up.wait()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
