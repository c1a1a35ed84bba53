"""One side of a call in a process of its own: bodies over the pipes, one line of base64 each.

    one_side.py caller|callee SOURCE RECORDING [HEIGHT]

SOURCE or RECORDING may be `-` for none. At the end it prints the statistics as one line of JSON.
The caller ends the call when its source has ended.
"""

import asyncio
import base64
import json
import resource
import sys
import time
from pathlib import Path

import msgspec

from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sinks import FileSink, NullSink
from ringline.media.sources import FileSource


def say(body: bytes) -> None:
    print(base64.b64encode(body).decode(), flush=True)


async def hear() -> bytes:
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return base64.b64decode(line)


async def main(role: str, source: str, recording: str, height: int | None) -> None:
    plan = MediaPlan(
        source=None if source == "-" else FileSource(Path(source), max_height=height),
        sink=NullSink() if recording == "-" else FileSink(Path(recording)),
    )
    began_cpu_s, began_s = time.process_time(), time.monotonic()
    async with MediaPeer(plan, host_addresses=["127.0.0.1"]) as peer:
        if role == "caller":
            say(await peer.offer())
            await peer.accept_answer(await hear())
        else:
            say(await peer.answer(await hear()))
        await peer.connected(10)
        await peer.wait_sent()
        if role == "callee":
            await asyncio.wait_for(peer.wait_ended(), 30)
    report = msgspec.to_builtins(peer.statistics())
    report["cpu_seconds"] = time.process_time() - began_cpu_s
    report["seconds"] = time.monotonic() - began_s
    report["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    role, source, recording, *more = sys.argv[1:]
    asyncio.run(main(role, source, recording, int(more[0]) if more else None))
