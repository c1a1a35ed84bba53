"""Two sides of a call, each a process of its own, and this one carries the bodies between them.

    both_sides.py RECORDING BACK_RECORDING [HEIGHT]

The clip goes one way into RECORDING; with a BACK_RECORDING that is not `-` also the other way. Prints
the caller's and the callee's statistics, one line of JSON each.
"""

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process
from pathlib import Path

import ifaddr

from ringline.media.clips import clip

ONE_SIDE = Path(__file__).with_name("one_side.py")


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ONE_SIDE),
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**20,
    )


async def carry(source: Process, target: Process) -> None:
    assert source.stdout is not None
    assert target.stdin is not None
    target.stdin.write(await source.stdout.readline())
    await target.stdin.drain()


async def main(recording: str, back: str, more: list[str]) -> int:
    caller = await start("caller", str(clip()), back, *more)
    callee = await start("callee", "-" if back == "-" else str(clip()), recording, *more)
    try:
        await carry(caller, callee)
        await carry(callee, caller)
        for line, _ in await asyncio.gather(caller.communicate(), callee.communicate()):
            print(line.decode().splitlines()[-1], flush=True)
        return caller.returncode or callee.returncode or 0
    finally:
        for process in (caller, callee):
            if process.returncode is None:
                process.kill()
                await process.wait()


if __name__ == "__main__":
    found = {ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips}
    addresses = sorted(ip if isinstance(ip, str) else ip[0] for ip in found)
    print(f"addresses here: {addresses}", file=sys.stderr)
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:])))
