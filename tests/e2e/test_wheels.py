"""What people install: both wheels, in an environment that knows nothing of this checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
CONSTRAINTS: Final = ROOT / "constraints.txt"
PAGE: Final = "signaling/page"
INSTALL_DEADLINE_S: Final = 400
DEMO_DEADLINE_S: Final = 120


def run(command: list[str], cwd: Path, deadline_s: float) -> str:
    result = subprocess.run(
        command,
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=deadline_s,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-4000:]}"
    return result.stdout


def copy_of_sources(target: Path) -> Path:
    """What git keeps, and the built page: building leaves its droppings there, not here."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in run(command, ROOT, 60).splitlines():
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
    shutil.copytree(ROOT / PAGE, target / PAGE)
    return target


def build(sources: Path, target: Path) -> dict[str, Path]:
    """By distribution name, with the build tools of this environment."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"]
    options = ["--no-build-isolation", "--wheel-dir", str(target)]
    run([*pip, *options, str(sources), str(sources / "clients" / "python")], sources, 300)
    return {path.name.split("-")[0]: path for path in target.glob("*.whl")}


@pytest.mark.timeout(INSTALL_DEADLINE_S + DEMO_DEADLINE_S + 60)
def test_the_demo_runs_from_wheels_in_a_clean_environment(tmp_path: Path) -> None:
    wheels = build(copy_of_sources(tmp_path / "sources"), tmp_path / "wheels")
    assert set(wheels) == {"ringline", "ringline_server"}
    assert_contents(wheels)
    run([sys.executable, "-m", "venv", str(tmp_path / "env")], tmp_path, 120)
    install = [str(tmp_path / "env" / "bin" / "python"), "-m", "pip", "install", "--no-input"]
    parts = [f"{wheels['ringline']}[all]", f"{wheels['ringline_server']}[demo]"]
    run([*install, "-q", "-c", str(CONSTRAINTS), *parts], tmp_path, INSTALL_DEADLINE_S)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = str(tmp_path / "env" / "bin" / "ringlined")
    run([program, "demo", "--json", "demo.json"], elsewhere, DEMO_DEADLINE_S)
    report = json.loads((elsewhere / "demo.json").read_text())
    assert report["passed"] is True
    assert all(step["passed"] for step in report["steps"])
    assert str(ROOT) not in run(
        [
            str(tmp_path / "env" / "bin" / "python"),
            "-c",
            "import ringline, ringlined, backplane;"
            "print(ringline.__file__, ringlined.__file__, backplane.__file__)",
        ],
        elsewhere,
        60,
    )


def assert_contents(wheels: dict[str, Path]) -> None:
    """Package data is in, and nothing that is not ours to install."""
    server, client = names(wheels["ringline_server"]), names(wheels["ringline"])
    page = (f"{PAGE}/index.html", f"{PAGE}/favicon.svg", ".js", ".css")
    for ending in (".lua", ".sql", "migrations/env.py", "/licenses/LICENSE", *page):
        assert any(name.endswith(ending) for name in server), ending
    assert {name.split("/")[0] for name in server if ".dist-info" not in name} == {
        "ringlined",
        "signaling",
        "messaging",
        "sfu",
        "turn",
        "backplane",
    }
    assert "ringline/py.typed" in client
    assert {name.split("/")[0] for name in client if ".dist-info" not in name} == {"ringline"}


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()
