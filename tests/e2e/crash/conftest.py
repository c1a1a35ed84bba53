"""A private stack, or two nodes, of each test's own; and seeds that are printed."""

import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from loadtest.nodes import Nodes
from loadtest.stack import Stack


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    async with Nodes(tmp_path / "data") as running:
        yield running


@pytest.fixture
def seed(say: Callable[[str], None], request: pytest.FixtureRequest) -> int:
    """Another one each time; RINGLINE_CRASH_SEED replays one (the moments, not the machine's part)."""
    chosen = int(os.environ.get("RINGLINE_CRASH_SEED") or random.SystemRandom().randrange(2**32))
    say(f"{request.node.name}: RINGLINE_CRASH_SEED={chosen}")
    return chosen


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print past the capture: seeds and figures belong in every run's output."""

    def printed(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return printed
