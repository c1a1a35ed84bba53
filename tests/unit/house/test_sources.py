"""What must not be written down anywhere in the repository."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
FORBIDDEN: Final = {
    "a path of one machine": re.compile(r"(?<![\w.-])/(work|root|home)/[a-z]"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "left-over work": re.compile(r"\b(TODO|FIXME|XXX)\b"),
}
DOWNLOAD: Final = re.compile(r"https?://|git\+|\.whl\b|\.tar\.gz\b", re.IGNORECASE)
PIN: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.+!-]*$")
TEXT: Final = frozenset(
    [
        ".py",
        ".md",
        ".toml",
        ".txt",
        ".sh",
        ".lua",
        ".sql",
        ".json",
        ".yaml",
        ".yml",
        ".mako",
        ".html",
        ".ts",
        ".cfg",
        ".ini",
    ]
)


def texts() -> Iterator[Path]:
    """Everything that git keeps, and what it would keep."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and (path.suffix in TEXT or path.name in ("Makefile", "run")):
            yield path


def forbidden(text: str) -> list[str]:
    return [name for name, pattern in FORBIDDEN.items() if pattern.search(text)]


def test_nothing_forbidden_is_written_down() -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in texts()
        if path != Path(__file__) and (wrong := forbidden(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text", ["see /home/ann/notes", "TODO: later", "-----BEGIN RSA PRIVATE KEY-----"]
)
def test_planted_text_is_found(text: str) -> None:
    assert forbidden(text)


def wrong_pins(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line for line in lines if DOWNLOAD.search(line) or not PIN.match(line)]


def test_every_pin_is_exact_and_names_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert len(text.splitlines()) > 50
    assert wrong_pins(text) == []


@pytest.mark.parametrize(
    "line", ["aiohttp>=3", "aiohttp", "x @ https://example.org/x.whl", "-e .", "x==1; y"]
)
def test_planted_pin_is_found(line: str) -> None:
    assert wrong_pins(line) == [line]
