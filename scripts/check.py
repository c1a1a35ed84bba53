"""`make check`: format, lint, types, import contracts, the house's rules. All run; all are reported."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
DEADLINE_S = 900
CHECKS = {
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "lint": [str(BIN / "ruff"), "check", "."],
    "contracts": [str(BIN / "lint-imports"), "--no-logo"],
    "types": [str(BIN / "mypy")],
    "house": [sys.executable, "-m", "pytest", "-q", "tests/unit/house"],
    "generated": [sys.executable, "-m", "pytest", "-q", "tests/unit/signaling/test_describe.py"],
}


def main() -> int:
    failed = [name for name, command in CHECKS.items() if not passes(name, command)]
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all well")
    return bool(failed)


def passes(name: str, command: list[str]) -> bool:
    print(f"check: {name}", flush=True)
    return subprocess.run(command, cwd=ROOT, timeout=DEADLINE_S, check=False).returncode == 0  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
