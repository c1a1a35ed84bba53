"""Makes or refreshes .venv, and installs the system programs that are missing.

Run by setup.sh. Does nothing, quickly, when nothing it depends on has changed. Standard library
only: it runs before anything is installed.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "ringline-setup.stamp"
CONSTRAINTS = ROOT / "constraints.txt"
INPUTS = (
    CONSTRAINTS,
    ROOT / "pyproject.toml",
    ROOT / "clients" / "python" / "pyproject.toml",
    Path(__file__),
)
DISTRIBUTIONS = ("./clients/python[all]", ".[demo,test,dev]")
POLICY = Path("/usr/sbin/policy-rc.d")
NEEDED = {"redis-server": "redis-server"}
"""Program: the Debian package that has it."""
NEEDED_BY_TESTS = {
    "strace": "strace",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "turnserver": "coturn",
    "turnutils_uclient": "coturn",
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
    "/usr/share/fonts/truetype/liberation": "fonts-liberation",
}
"""Also by path, where a package has no program. coturn: another relay's clients on ours, and a relay to
measure beside it. chromium and a font for it: the web page."""
APT_DEADLINE_S = 600
PIP_DEADLINE_S = 1800


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="setup", description=__doc__)
    parser.add_argument("--for-tests", action="store_true", help="also what only the tests need")
    options = parser.parse_args(arguments)
    try:
        set_up_environment()
    except subprocess.CalledProcessError as error:
        say(f"failed: {' '.join(map(str, error.cmd))}")
        return error.returncode
    except subprocess.TimeoutExpired as error:
        say(f"gave up after {error.timeout:.0f} s: {' '.join(map(str, error.cmd))}")
        return 1
    for_tests = options.for_tests or bool(os.environ.get("CI"))
    set_up_programs({**NEEDED, **NEEDED_BY_TESTS} if for_tests else NEEDED)
    return set_up_page()


def set_up_environment() -> None:
    wanted = fingerprint()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    make_environment()
    pip("install", "--requirement", str(build_requirements()))
    # Editable and without isolation: one setuptools, the pinned one, builds everything.
    editable = [part for name in DISTRIBUTIONS for part in ("--editable", name)]
    pip("install", "--no-build-isolation", *editable)
    STAMP.write_text(wanted)


def fingerprint() -> str:
    """Of everything the environment is made from. A moved checkout is another environment."""
    digest = hashlib.sha256(f"{sys.version}\0{ROOT}".encode())
    for path in INPUTS:
        digest.update(b"\0" + path.read_bytes())
    return digest.hexdigest()


def make_environment() -> None:
    if PYTHON.exists() and same_python():
        return
    shutil.rmtree(VENV, ignore_errors=True)
    say(f"creating {VENV.name} with Python {sys.version.split()[0]}")
    result = run([sys.executable, "-m", "venv", str(VENV)], 300, check=False)
    if result.returncode == 0:
        return
    # Debian keeps the part of venv that installs pip in a package of its own.
    install_packages([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"])
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], 300)


def same_python() -> bool:
    """Whether .venv was made here (its scripts name their place) with this interpreter."""
    configuration = VENV / "pyvenv.cfg"
    if not configuration.exists() or str(VENV) not in configuration.read_text():
        return False
    try:
        there = run([str(PYTHON), "-c", "import sys; print(sys.version)"], 60, check=False).stdout
    except OSError:
        return False
    return there.decode().strip() == sys.version


def build_requirements() -> Path:
    """The pins of what builds the distributions, as a file: pip takes constraints for the rest."""
    wanted = ("pip==", "setuptools==", "wheel==")
    pins = [line for line in CONSTRAINTS.read_text().splitlines() if line.startswith(wanted)]
    path = VENV / "build-requirements.txt"
    path.write_text("\n".join(pins) + "\n")
    return path


def pip(*arguments: str) -> None:
    say(f"pip {arguments[0]}: {' '.join(arguments[1:])}")
    command = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    run([*command, *arguments, "--constraint", str(CONSTRAINTS)], PIP_DEADLINE_S, show=True)


def set_up_programs(programs: dict[str, str]) -> None:
    """Raises nothing: what cannot be installed is named, with the line that would do it."""
    missing = list(dict.fromkeys(p for name, p in programs.items() if not present(name)))
    if not missing:
        return
    if install_packages(missing):
        return
    say("could not install what is missing. To do it by hand:")
    say(f"    sudo apt-get install {' '.join(missing)}")
    if "redis-server" in missing:
        say("going on without Redis: `ringlined up` then runs everything in one process.")


def set_up_page() -> int:
    """The exit status of building the web page."""
    command = [sys.executable, str(ROOT / "scripts" / "web.py")]
    return run(command, APT_DEADLINE_S + PIP_DEADLINE_S, check=False, show=True).returncode


def present(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else which(name) is not None


def which(program: str) -> str | None:
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/bin"]
    return shutil.which(program, path=os.pathsep.join(places))


def install_packages(packages: Sequence[str]) -> bool:
    """Through apt, without starting any service: whether all are there now."""
    if not which("apt-get") or os.geteuid() != 0:
        return False
    say(f"apt-get install {' '.join(packages)}")
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    try:
        with services_left_stopped():
            if apt(install):
                return True
            return apt(["apt-get", "update"]) and apt(install)
    except (OSError, subprocess.TimeoutExpired) as error:
        say(str(error))
        return False


def apt(command: Sequence[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = run(command, APT_DEADLINE_S, check=False, environment=environment)
    if result.returncode != 0:
        say(*result.stderr.decode(errors="replace").strip().splitlines()[-1:])
    return result.returncode == 0


@contextmanager
def services_left_stopped() -> Iterator[None]:
    """Debian starts what it installs unless policy-rc.d says no (101); Ringline starts its own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    try:
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def run(
    command: Sequence[str],
    deadline_s: float,
    *,
    check: bool = True,
    show: bool = False,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own fixed commands
        command,
        cwd=ROOT,
        env=environment,
        check=check,
        stdin=subprocess.DEVNULL,
        capture_output=not show,
        timeout=deadline_s,
    )


def say(*lines: object) -> None:
    for line in lines:
        print(f"setup: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
