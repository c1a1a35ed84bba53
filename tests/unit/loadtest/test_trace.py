"""The reader of strace's lines, and a check that can fail in each way that matters."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.trace import STRACE, NotSynced, check_synced, read_calls, read_trace

MARKER, ANSWER = b"mark", b"sent"
WRITE = '7 pwrite64(9</d/q.sqlite3-wal>, "\\x00\\x6d\\x61\\x72\\x6b", 5, 0) = 5'
SYNC = "7 fdatasync(9</d/q.sqlite3-wal>) = 0"
SEND = '5 write(12<socket:[4]>, "\\x73\\x65\\x6e\\x74", 4) = 4'


def check(*lines: str) -> None:
    check_synced(read_calls(lines), MARKER, ANSWER, "-wal")


def test_write_sync_send_is_right() -> None:
    check("5 +++ exited with 0 +++", WRITE, SYNC, SEND)


def test_no_other_order_is_right() -> None:
    for order in itertools.permutations((WRITE, SYNC, SEND)):
        if order != (WRITE, SYNC, SEND):
            with pytest.raises(NotSynced):
                check(*order)


@pytest.mark.parametrize("left_out", [WRITE, SYNC, SEND])
def test_nothing_may_be_missing(left_out: str) -> None:
    with pytest.raises(NotSynced):
        check(*(line for line in (WRITE, SYNC, SEND) if line != left_out))


def test_a_sync_counts_from_its_return() -> None:
    begun = "7 fdatasync(9</d/q.sqlite3-wal> <unfinished ...>"
    returned = "7 <... fdatasync resumed>) = 0"
    check(WRITE, begun, returned, SEND)
    with pytest.raises(NotSynced):
        check(WRITE, begun, SEND, returned)


def test_a_sync_begun_before_the_write_does_not_count() -> None:
    begun = "8 fdatasync(9</d/q.sqlite3-wal> <unfinished ...>"
    with pytest.raises(NotSynced):
        check(begun, WRITE, "8 <... fdatasync resumed>) = 0", SEND)


def test_a_send_counts_from_its_beginning() -> None:
    begun = '5 write(12<socket:[4]>, "\\x73\\x65\\x6e\\x74", 4 <unfinished ...>'
    with pytest.raises(NotSynced):
        check(WRITE, begun, SYNC, "5 <... write resumed>) = 4")


@pytest.mark.parametrize(
    "sync",
    ["7 fdatasync(9</d/other>) = 0", "7 fdatasync(9</d/q.sqlite3-wal>) = -1 EIO (I/O error)"],
)
def test_a_failed_sync_or_of_another_file_does_not_count(sync: str) -> None:
    with pytest.raises(NotSynced):
        check(WRITE, sync, SEND)


HONEST = """
import os, socket, sys
left, right = socket.socketpair()
sys.stdin.readline()
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.pwrite(file, b"mark", 0)
if sys.argv[2] == "sync":
    os.fdatasync(file)
left.send(b"sent")
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["sync", "hope"])
def test_real_traces_are_read(tmp_path: Path, how: str) -> None:
    out = tmp_path / "trace"
    command = [sys.executable, "-c", HONEST, str(tmp_path / "q-wal"), how]
    traced = [*STRACE, "-o", str(out), *command]
    subprocess.run(traced, input=b"\n\n", check=True, timeout=60)
    calls = read_trace(out)
    if how == "sync":
        check_synced(calls, MARKER, ANSWER, "-wal")
    else:
        with pytest.raises(NotSynced, match="not synced"):
            check_synced(calls, MARKER, ANSWER, "-wal")
