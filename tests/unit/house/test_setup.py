"""scripts/setup.py and setup.sh, as far as they can be tried without a package archive."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
SCRIPT: Final = ROOT / "scripts" / "setup.sh"


@pytest.fixture
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ringline_setup", ROOT / "scripts" / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_is_refused_plainly(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac\n')
    old.chmod(0o755)
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    result = subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    assert "3.11 or later" in result.stderr
    assert "Python 3.9.2" in result.stderr


def test_the_fingerprint_follows_every_input(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [tmp_path / name for name in ("a", "b")]
    for path in inputs:
        path.write_text("1")
    monkeypatch.setattr(setup, "INPUTS", tuple(inputs))
    seen = {setup.fingerprint()}
    for path in inputs:
        path.write_text("2")
        seen.add(setup.fingerprint())
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    seen.add(setup.fingerprint())
    assert len(seen) == 4


def test_services_are_left_stopped_only_for_the_time_of_the_installation(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(setup, "POLICY", policy)
    with setup.services_left_stopped():
        assert subprocess.run([str(policy)], check=False, timeout=10).returncode == 101
    assert not policy.exists()


def test_an_operators_own_policy_is_left_alone(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")
    monkeypatch.setattr(setup, "POLICY", policy)
    with setup.services_left_stopped():
        assert policy.read_text() == "theirs"
    assert policy.read_text() == "theirs"


def test_what_cannot_be_installed_is_named_with_the_line_that_would(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "which", lambda _: None)
    setup.set_up_programs({"redis-server": "redis-server", "ip": "iproute2"})
    said = capsys.readouterr().err
    assert "sudo apt-get install redis-server iproute2" in said
    assert "going on without Redis" in said


def test_what_the_tests_need_is_installed_once_each(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of several programs is named once; a package of files is looked for by a path."""
    asked: list[str] = []
    monkeypatch.setattr(setup, "which", lambda _: None)

    def install(packages: list[str]) -> bool:
        asked.extend(packages)
        return True

    monkeypatch.setattr(setup, "install_packages", install)
    there = tmp_path / "a font"
    there.mkdir()
    setup.set_up_programs({**setup.NEEDED_BY_TESTS, str(there): "a-font-that-is-there"})
    assert sorted(asked) == sorted(set(asked))
    assert {"coturn", "chromium", "iproute2", "strace", "util-linux"} <= set(asked)
    assert "a-font-that-is-there" not in asked


def test_a_program_and_a_path_are_found(setup: ModuleType, tmp_path: Path) -> None:
    assert setup.present("sh")
    assert setup.present(str(tmp_path))
    assert not setup.present("no-such-program")
    assert not setup.present(str(tmp_path / "no such file"))


def test_in_continuous_integration_everything_the_tests_need_is_there(setup: ModuleType) -> None:
    """Nothing may be skipped for want of a program."""
    if os.environ.get("CI"):
        assert [name for name in setup.NEEDED_BY_TESTS if not setup.present(name)] == []


def test_a_failing_archive_does_not_stop_the_set_up(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get fails, is asked to update, fails again: named, not raised."""
    calls = tmp_path / "calls"
    fake = tmp_path / "apt-get"
    fake.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $1" >> {calls}\nexit 100\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(setup, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not setup.install_packages(["redis-server"])
    assert calls.read_text().split("\n")[:2] == ["noninteractive install", "noninteractive update"]


def test_nothing_is_done_when_nothing_changed(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = tmp_path / "stamp"
    stamp.write_text(setup.fingerprint())
    monkeypatch.setattr(setup, "STAMP", stamp)
    monkeypatch.setattr(setup, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(setup, "run", lambda *_, **__: pytest.fail("ran something"))
    setup.set_up_environment()
