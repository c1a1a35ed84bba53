"""What the kernel counts for a process and its descendants, from /proc. CPU in seconds, memory in KiB."""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    command: str

    def alive(self) -> bool:
        """Neither gone nor a zombie."""
        fields = _stat(self.pid)
        return fields is not None and fields[0] != "Z"

    def kill(self) -> None:
        """kill -9. Raise ProcessLookupError."""
        os.kill(self.pid, signal.SIGKILL)

    def cpu_s(self) -> float:
        """User and system time so far; 0 when it is gone."""
        fields = _stat(self.pid)
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if fields else 0.0

    def proportional_kib(self) -> int:
        """PSS: shared pages count by their share. 0 when it is gone."""
        try:
            lines = (_PROC / str(self.pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command, whose name may hold anything: state first."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _command(pid: int) -> str:
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def descendants(root: int) -> list[Process]:
    """`root` and everything below it that is alive, parents first."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop(0)
        process = Process(pid, _command(pid))
        if process.alive():
            found.append(process)
        queue += sorted(children.get(pid, []))
    return found


def cpu_s(processes: Iterable[Process]) -> float:
    return sum(process.cpu_s() for process in processes)
