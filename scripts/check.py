"""`make check`: format, lint, types, import contracts, the house's rules. All run; all are reported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
WEB = ROOT / "clients" / "web"
DEADLINE_S = 900
CHECKS = {
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "lint": [str(BIN / "ruff"), "check", "."],
    "contracts": [str(BIN / "lint-imports"), "--no-logo"],
    "types": [str(BIN / "mypy")],
    "house": [sys.executable, "-m", "pytest", "-q", "tests/unit/house"],
    "generated": [
        *[sys.executable, "-m", "pytest", "-q"],
        *["tests/unit/signaling/test_describe.py", "tests/unit/signaling/test_typescript.py"],
    ],
}
WEB_CHECKS = {
    "web types": ["npm", "run", "--silent", "types"],
    "web lint": ["npm", "run", "--silent", "lint"],
}


def main() -> int:
    failed = [name for name, command in CHECKS.items() if not passes(name, command, ROOT)]
    if (WEB / "node_modules").exists() and shutil.which("npm"):
        failed += [name for name, command in WEB_CHECKS.items() if not passes(name, command, WEB)]
    elif os.environ.get("CI"):
        failed.append("web (no Node.js, or setup could not install the page's tools)")
    else:
        print("check: the web page is left out: no Node.js here")
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all well")
    return bool(failed)


def passes(name: str, command: list[str], place: Path) -> bool:
    print(f"check: {name}", flush=True)
    return subprocess.run(command, cwd=place, timeout=DEADLINE_S, check=False).returncode == 0  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
