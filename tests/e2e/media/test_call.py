"""A real clip through a real call: two processes, 127.0.0.1, VP8 and Opus, recorded and compared."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ringline.media.clips import clip
from ringline.media.compare import compare

BOTH_SIDES = Path(__file__).with_name("both_sides.py")
DEADLINE_S = 45
IN_A_NAMESPACE = (
    *("unshare", "--net", "--map-root-user"),
    *("sh", "-c", 'ip link set lo up && exec "$@"', "sh"),
)
"""util-linux: a network namespace of its own, in which only `lo` is up."""


async def call(*arguments: str, inside: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], str]:
    """Both sides' statistics, caller first, and what was said on standard error."""
    process = await asyncio.create_subprocess_exec(
        *inside,
        sys.executable,
        str(BOTH_SIDES),
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return [json.loads(line) for line in output.splitlines()], errors.decode()


async def test_the_clip_arrives_whole_at_its_full_size(tmp_path: Path) -> None:
    recording = tmp_path / "call.mkv"
    (sent, received), _ = await call(str(recording), "-")
    result = compare(clip(), recording)
    assert result.frames_reference >= 125
    assert result.frame_fraction >= 0.95
    assert result.median_ssim >= 0.80
    assert result.audio_correlation >= 0.7
    assert result.holds
    assert sent["video_frames_sent"] >= result.frames_reference
    assert received["video_frames_decoded"] >= 0.95 * result.frames_reference
    assert received["audio_seconds_received"] >= 5.0
    assert received["loss_fraction"] < 0.01
    assert 0 < received["set_up_ms"] < received["first_frame_ms"] < 3000
    assert received["mos"] > 4
    assert sent["round_trip_ms"] < 200

    other = compare(clip("bikes.mp4"), recording)
    assert not other.holds, "the same check must fail against another clip"
    assert other.frame_fraction < 0.5
    assert other.median_ssim < 0.6
    assert other.audio_correlation < 0.3


async def test_both_ways_at_once(tmp_path: Path) -> None:
    there, back = tmp_path / "there.mkv", tmp_path / "back.mkv"
    await call(str(there), str(back), "360")
    assert compare(clip(), there).holds
    assert compare(clip(), back).holds


async def test_no_interface_but_loopback_is_enough(tmp_path: Path) -> None:
    assert shutil.which("unshare"), "util-linux is needed"
    recording = tmp_path / "call.mkv"
    _, errors = await call(str(recording), "-", "180", inside=IN_A_NAMESPACE)
    addresses = errors.partition("addresses here: ")[2].splitlines()[0]
    assert addresses in ("['127.0.0.1']", "['127.0.0.1', '::1']")
    assert compare(clip(), recording).holds
