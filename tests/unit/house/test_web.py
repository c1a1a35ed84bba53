"""scripts/web.py, and what clients/web may carry; the page's own tests run in tests/e2e/web."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
WEB: Final = ROOT / "clients" / "web"
EXACT: Final = re.compile(r"^\d+\.\d+\.\d+$")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """On a copy of the sources' names, where nothing is really built."""
    spec = importlib.util.spec_from_file_location("ringline_web", ROOT / "scripts" / "web.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sources = tmp_path / "clients" / "web"
    (sources / "node_modules").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "index.html"):
        (sources / name).write_text(name)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SOURCES", sources)
    monkeypatch.setattr(module, "MODULES", sources / "node_modules")
    monkeypatch.setattr(module, "BUILT", tmp_path / "signaling" / "page")
    return module


class Runs:
    """Stands in for npm: what it was asked, and a page that it leaves."""

    def __init__(self, built: Path) -> None:
        self.asked: list[str] = []
        self._built = built

    def __call__(self, command: list[str], *_: object, **__: object) -> None:
        self.asked.append(command[1])
        self._built.mkdir(parents=True, exist_ok=True)
        (self._built / "index.html").write_text("page")


@pytest.fixture
def runs(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs(script.BUILT)
    monkeypatch.setattr(script, "run", runs)
    monkeypatch.setattr(script, "missing", str)
    return runs


def test_it_builds_once_and_again_when_something_changed(script: ModuleType, runs: Runs) -> None:
    assert script.main() == script.main() == 0
    assert runs.asked == ["ci", "run"]
    (script.SOURCES / "index.html").write_text("changed")
    script.main()
    assert runs.asked == ["ci", "run", "run"]
    (script.SOURCES / "package-lock.json").write_text("changed")
    script.main()
    assert runs.asked == ["ci", "run", "run", "ci", "run"]


def test_a_lost_page_is_built_again(script: ModuleType, runs: Runs) -> None:
    script.main()
    (script.BUILT / "index.html").unlink()
    script.main()
    assert runs.asked == ["ci", "run", "run"]


def test_what_fails_is_tried_again_the_next_time(
    script: ModuleType, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], *_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    with monkeypatch.context() as patch:
        patch.setattr(script, "run", fail)
        assert script.main() == 1
    assert script.main() == 0
    assert runs.asked == ["ci", "run"]


@pytest.mark.parametrize(
    ("version", "sentence"), [("v18.20.4", "Node.js 18.20 is too old"), (None, "there is no node")]
)
def test_without_a_fitting_node_it_says_so_and_goes_on(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    version: str | None,
    sentence: str,
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if version is not None:
        for name in ("node", "npm"):
            (programs / name).write_text(f"#!/bin/sh\necho {version}\n")
            (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert script.main() == 0
    said = capsys.readouterr().err
    assert sentence in said
    assert "install Node.js 20.19 or newer" in said
    assert not script.BUILT.exists()


def test_every_tool_of_the_page_is_pinned_exactly() -> None:
    package = json.loads((WEB / "package.json").read_text())
    assert "dependencies" not in package  # the page ships no code but ours
    wrong = {name: at for name, at in package["devDependencies"].items() if not EXACT.match(at)}
    assert wrong == {}


def test_the_lock_names_no_address_but_has_every_hash() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 10
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
