import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ringlined import lifeline

DEADLINE_S = 20.0
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), "sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """Zombies, which nobody may be there to bury, do not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def command_line(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def wait_for(condition: object) -> bool:
    assert callable(condition)
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_a_child_dies_with_its_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, lifeline.__file__], stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert wait_for(lambda: command_line(child)[0] == b"sleep")
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait(DEADLINE_S)
        assert wait_for(lambda: not is_running(child))
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()


def test_a_child_of_a_parent_that_is_gone_does_not_start(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    somebody_else = str(os.getppid())
    result = subprocess.run(
        [sys.executable, "-I", "-S", lifeline.__file__, somebody_else, "touch", str(marker)],
        timeout=DEADLINE_S,
        check=False,
    )
    assert result.returncode == 0
    assert not marker.exists()


def test_it_becomes_the_program_with_its_exit_status() -> None:
    me = str(os.getpid())
    result = subprocess.run(
        [sys.executable, "-I", "-S", lifeline.__file__, me, "sh", "-c", "exit 7"],
        timeout=DEADLINE_S,
        check=False,
    )
    assert result.returncode == 7
