"""The main job, headless and without any network but loopback: the clip through a whole stack."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from ringline.media.clips import clip
from ringline.media.compare import compare

HEADLESS = Path(__file__).with_name("headless.py")
ROOT = Path(__file__).parents[3]
DEADLINE_S = 90
IN_A_NAMESPACE = (
    *("unshare", "--net", "--map-root-user"),
    *("sh", "-c", 'ip link set lo up && exec "$@"', "sh"),
)


async def test_clip_through_the_whole_stack(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *IN_A_NAMESPACE,
        *(sys.executable, str(HEADLESS), str(tmp_path), str(clip())),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
        },
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()

    caller, callee = (json.loads(line) for line in output.splitlines())
    assert caller["reason"] == "hung-up"
    assert callee["reason"] == "other-hung-up"
    for side in (caller, callee):
        assert side["statistics"]["video_frames_decoded"] >= 125
        assert side["statistics"]["audio_seconds_received"] >= 5.0

    for recording in ("there.mkv", "back.mkv"):
        result = compare(clip(), tmp_path / recording)
        assert result.frame_fraction >= 0.95
        assert result.median_ssim >= 0.80
        assert result.audio_correlation >= 0.7
    other = compare(clip("bikes.mp4"), tmp_path / "there.mkv")
    assert not other.holds, "the same check must fail against another clip"
