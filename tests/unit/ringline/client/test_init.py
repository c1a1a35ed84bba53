"""`import ringline` is cheap, and gives everything by name."""

import subprocess
import sys

import pytest

import ringline
import ringline.client

HEAVY = ("aiohttp", "aiortc", "aioice", "av", "numpy", "typer", "rich", "sqlite3", "asyncio")


@pytest.mark.parametrize("module", ["ringline", "ringline.client"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*[n for n in {HEAVY} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.split() == []


def test_the_client_loads_no_media() -> None:
    script = (
        "import sys, ringline; ringline.Client;"
        "print(*[n for n in ('aiortc', 'aioice', 'av', 'numpy') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.split() == []


def test_every_name_is_there() -> None:
    for package in (ringline, ringline.client):
        for name in package._HOMES:
            assert name in dir(package)
            assert getattr(package, name) is not None


def test_other_names_are_not() -> None:
    for package in (ringline, ringline.client):
        with pytest.raises(AttributeError, match="nothing"):
            package.nothing  # noqa: B018
