"""strace's account of one process: what it wrote where, and what it had made durable before.

Lines are taken in the order of the file: strace writes one when a system call returned (or, of one
that was still running when another thread's was reported, `<unfinished ...>` and later `resumed`).
A call's effect is dated by its return, but a write to a socket by its beginning: nothing may leave
before the sync has returned.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYNCS: Final = frozenset({"fsync", "fdatasync"})
FILE_WRITES: Final = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2"})
SOCKET_WRITES: Final = frozenset({"write", "writev", "sendto", "sendmsg"})
STRACE: Final = (
    "strace",
    "-f",
    "-y",
    "-xx",
    "-s",
    "16384",
    "-e",
    "trace=" + ",".join(sorted(SYNCS | FILE_WRITES | SOCKET_WRITES)),
)
"""With `-p PID -o FILE` appended; all strings in hexadecimal, descriptors with their paths."""
_CALL: Final = re.compile(r"^(?P<thread>\d+)\s+(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED: Final = re.compile(r"^(?P<thread>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_DESCRIPTOR: Final = re.compile(r"^\d+<(?P<target>[^>]*)>")
_UNFINISHED: Final = "<unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """`began` and `ended` are line numbers; `hexadecimal` is every string argument, joined."""

    name: str
    target: str
    hexadecimal: str
    failed: bool
    began: int
    ended: int


def read_calls(lines: Iterable[str]) -> Iterator[Call]:
    """Finished calls by their end. What is no call (signals, exits) is passed over."""
    open_calls: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if resumed := _RESUMED.match(line):
            began, text = open_calls.pop(resumed["thread"], (number, ""))
            yield _call(resumed["name"], text + resumed["rest"], began, number)
        elif call := _CALL.match(line):
            if call["rest"].rstrip().endswith(_UNFINISHED):
                open_calls[call["thread"]] = (number, call["rest"].replace(_UNFINISHED, ""))
            else:
                yield _call(call["name"], call["rest"], number, number)


def _call(name: str, text: str, began: int, ended: int) -> Call:
    descriptor = _DESCRIPTOR.match(text)
    target = _plain(descriptor["target"]) if descriptor else ""
    strings = "".join(re.findall(r'"([^"]*)"', text)).replace("\\x", "")
    failed = re.search(r"\)\s*=\s*-1\b", text) is not None
    return Call(name, target, strings, failed, began, ended)


def _plain(path: str) -> str:
    """Some versions write paths in hexadecimal too under -xx."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), path)


class NotSynced(Exception):
    """The answer left before what it promises was durable."""


def check_synced(calls: Iterable[Call], marker: bytes, answer: bytes, file_suffix: str) -> None:
    """The bytes `marker` were written to a file ending in `file_suffix`, which was then synced, and the
    sync returned before a write holding `answer` to a socket began. Raise NotSynced."""
    written, synced = None, None
    for call in sorted(calls, key=lambda each: each.ended):
        if call.failed:
            continue
        in_file = call.target.endswith(file_suffix)
        if in_file and call.name in FILE_WRITES and marker.hex() in call.hexadecimal:
            written = call.ended if written is None else written
        elif in_file and call.name in SYNCS and written is not None and call.began >= written:
            synced = call.ended if synced is None else synced
        elif _is_answer(call, answer):
            _judge(call, written, synced)
            return
    raise NotSynced("the answer was never seen on a socket")


def _is_answer(call: Call, answer: bytes) -> bool:
    on_socket = call.target.startswith(("socket:", "TCP:", "TCPv6:"))
    return on_socket and call.name in SOCKET_WRITES and answer.hex() in call.hexadecimal


def _judge(answer: Call, written: int | None, synced: int | None) -> None:
    if written is None:
        raise NotSynced("the answer left and the file was not written")
    if synced is None or synced >= answer.began:
        raise NotSynced("the answer left and the written file was not synced")


def read_trace(path: Path) -> list[Call]:
    with path.open(encoding="ascii", errors="replace") as lines:
        return list(read_calls(lines))
