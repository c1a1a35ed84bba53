"""`ringlined demo` on a stack that runs, as `make run` uses it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

READY_DEADLINE_S: Final = 60.0
DEMO_DEADLINE_S: Final = 100.0
DEMO_SECONDS_MAX: Final = 60.0
FIRST_MESSAGE_SECONDS_MAX: Final = 15.0
STEPS: Final = 10


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ringlined", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said_until(process: subprocess.Popen[str], words: str, count: int, deadline_s: float) -> str:
    """What it says until it has said `words` so many times. The test's own time limit is the last
    resort against a process that says nothing."""
    assert process.stdout is not None
    said, end = "", time.monotonic() + deadline_s
    while said.count(words) < count:
        line = process.stdout.readline()
        assert line, f"ended before it said {words!r} {count} times:\n{said}"
        assert time.monotonic() < end, said
        said += line
    return said


def judge(report: dict[str, Any]) -> None:
    assert report["passed"], report
    assert report["not_tried"] == []
    assert len(report["steps"]) == STEPS
    assert all(step["passed"] for step in report["steps"])
    assert report["seconds"] <= DEMO_SECONDS_MAX
    first_message = sum(step["seconds"] for step in report["steps"][:3])
    assert first_message <= FIRST_MESSAGE_SECONDS_MAX
    receipts = report["steps"][2]["figures"]
    assert 0 < receipts["sent_ms"] <= receipts["delivered_ms"] <= receipts["read_ms"]
    call, relayed, meeting = (step["figures"] for step in report["steps"][-3:])
    assert call["tablet"] == "taken-elsewhere"
    for side in ("ann", "bob"):
        assert call[side]["frames"] > 100
        assert call[side]["audio_s"] > 4
        assert call[side]["mos"] is not None
        assert call[side]["mos"] > 3
        assert call[side]["loss_percent"] < 5
    assert relayed["both_ends"] == "relay"
    assert min(relayed["frames"]) >= 30
    assert meeting["third"] == ("in Chromium" if shutil.which("chromium") else "headless")
    for side in ("ann", "bob", "cleo"):
        assert len(meeting[f"{side}_sees"]) == 2
        assert min(meeting[f"{side}_sees"]) >= 20


@pytest.mark.timeout(READY_DEADLINE_S + 2 * DEMO_DEADLINE_S)
def test_up_with_the_demo_and_then_again_on_the_stack_that_stayed(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    up = start("up", "--data", data, "--port", "0", "--admin-port", "0", "--demo")
    try:
        said = said_until(up, "Ringline is up", 2, READY_DEADLINE_S + DEMO_DEADLINE_S)
        assert f"All {STEPS} steps passed" in said
        assert "Try next" in said
        assert up.poll() is None

        demo = start("demo", "--data", data, "--json", str(tmp_path / "demo.json"))
        output, _ = demo.communicate(timeout=DEMO_DEADLINE_S)
        assert demo.returncode == 0, output
        report = json.loads((tmp_path / "demo.json").read_text())
        judge(report)
        assert report["server"] in said
    finally:
        up.send_signal(signal.SIGINT)
        rest, _ = up.communicate(timeout=60)
    assert up.returncode == 0, rest


def test_a_demo_that_cannot_play_says_why_and_fails(tmp_path: Path) -> None:
    report_file = tmp_path / "demo.json"
    demo = start("demo", "--server", "http://127.0.0.1:1", "--json", str(report_file))
    output, _ = demo.communicate(timeout=DEMO_DEADLINE_S)
    assert demo.returncode == 1
    assert "Nothing answers there" in output
    report = json.loads(report_file.read_text())
    assert not report["passed"]
    assert len(report["not_tried"]) == STEPS - 2


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = start("demo", "--data", str(tmp_path))
    said_until(demo, "Ann and Bob register", 1, READY_DEADLINE_S)
    below = children(demo.pid)
    assert below
    demo.send_signal(signal.SIGTERM)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "interrupted" in output
    end = time.monotonic() + 20
    while any(map(is_running, below)):
        assert time.monotonic() < end
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """All below it, from /proc."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    below, todo = [], [pid]
    while todo:
        found = parents.get(todo.pop(), [])
        below += found
        todo += found
    return below


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
