"""/proc read right: a child is found, its time and memory are counted, its end is seen."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from loadtest.process import Process, cpu_s, descendants

BUSY = "import sys\nwhile True:\n    sum(range(10000))"


@pytest.fixture
def busy_child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as child:
        yield child
        child.kill()


def test_a_child_is_found_below_its_parent(busy_child: subprocess.Popen[bytes]) -> None:
    found = descendants(os.getpid())
    assert found[0].pid == os.getpid()
    assert busy_child.pid in [process.pid for process in found]


def test_burnt_time_and_memory_are_counted(busy_child: subprocess.Popen[bytes]) -> None:
    process = Process(busy_child.pid, "")
    deadline = time.monotonic() + 30
    while process.cpu_s() < 0.05 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert cpu_s([process]) >= 0.05
    assert process.proportional_kib() > 500


def test_a_zombie_and_the_gone_are_not_alive(busy_child: subprocess.Popen[bytes]) -> None:
    process = Process(busy_child.pid, "")
    assert process.alive()
    busy_child.kill()
    os.waitid(os.P_PID, busy_child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive(), "a zombie"
    busy_child.wait()
    assert not process.alive()
    assert (process.cpu_s(), process.proportional_kib()) == (0.0, 0)
    assert busy_child.pid not in [each.pid for each in descendants(os.getpid())]
