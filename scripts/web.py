"""Builds the web page (clients/web) into signaling/page, from where the gateway serves it.

Run by setup.py. Does nothing, quickly, when nothing changed. Without a fitting Node.js it says so and
goes on: the gateway then answers the page's address with the way to build it. Standard library only.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "clients" / "web"
BUILT = ROOT / "signaling" / "page"
MODULES = SOURCES / "node_modules"
LEFT_OUT = ("node_modules", "build")
NODE_MIN = (20, 19)
INSTALL_DEADLINE_S = 600
BUILD_DEADLINE_S = 300


def main() -> int:
    """The exit status: 0 also when there is no Node.js to build with."""
    reason = missing()
    if reason:
        say(f"{reason}: going on without the web page.")
        say("install Node.js 20.19 or newer with npm and run setup again to have it.")
        return 0
    try:
        install()
        build()
    except subprocess.CalledProcessError as error:
        say(f"failed: {' '.join(map(str, error.cmd))}")
        return 1
    except subprocess.TimeoutExpired as error:
        say(f"gave up after {error.timeout:.0f} s: {' '.join(map(str, error.cmd))}")
        return 1
    return 0


def missing() -> str:
    """What there is not; empty: all there."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"there is no {program} here"
    version = node_version()
    if version < NODE_MIN:
        return f"Node.js {'.'.join(map(str, version))} is too old"
    return ""


def node_version() -> tuple[int, ...]:
    said = run(["node", "--version"], 30, show=False).stdout.decode()
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def install() -> None:
    """The tools, as package-lock.json pins them. Raise CalledProcessError, TimeoutExpired."""
    wanted = fingerprint([SOURCES / "package.json", SOURCES / "package-lock.json"])
    stamp = MODULES / "ringline-install.stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("npm ci")
    run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], INSTALL_DEADLINE_S)
    stamp.write_text(wanted)


def build() -> None:
    """Raise CalledProcessError, TimeoutExpired."""
    wanted = fingerprint(sources())
    stamp = MODULES / "ringline-build.stamp"
    if stamp.exists() and stamp.read_text() == wanted and (BUILT / "index.html").exists():
        return
    say(f"building the web page into {BUILT.relative_to(ROOT)}")
    run(["npm", "run", "--silent", "build", "--", "--logLevel=warn"], BUILD_DEADLINE_S)
    stamp.write_text(wanted)


def sources() -> Iterator[Path]:
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and path.relative_to(SOURCES).parts[0] not in LEFT_OUT:
            yield path


def fingerprint(paths: Iterator[Path] | Sequence[Path]) -> str:
    """Of these files and their names. A moved checkout is another one."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()


def run(
    command: Sequence[str], deadline_s: float, *, show: bool = True
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own fixed commands
        command,
        cwd=SOURCES,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=not show,
        timeout=deadline_s,
    )


def say(line: str) -> None:
    print(f"setup: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
