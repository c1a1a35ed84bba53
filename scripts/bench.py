"""`make bench`: every load scenario on this machine, one after the other."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("messages", "connections", "call-setup")
DEADLINE_S = 900


def main() -> int:
    failed = [name for name in SCENARIOS if not runs(name)]
    if failed:
        print(f"bench: failed: {', '.join(failed)}")
    return bool(failed)


def runs(name: str) -> bool:
    command = [sys.executable, "-m", "loadtest", name]
    return subprocess.run(command, cwd=ROOT, timeout=DEADLINE_S, check=False).returncode == 0  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
