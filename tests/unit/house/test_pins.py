"""constraints.txt pins all that an installation with every extra pulls in, at what is installed."""

from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[3]
EVERYTHING: Final = ("ringline-server[demo,test,dev]", "ringline[all]")


def pins(text: str) -> dict[str, str]:
    lines = [line.split("==") for line in text.splitlines() if "==" in line]
    return {canonicalize_name(name): version for name, version in lines}


def installed(*roots: str) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    todo = [Requirement(root) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found[name] = distribution(name)
        for wanted in map(Requirement, found[name].requires or []):
            extras = ["", *requirement.extras]
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in extras):
                todo.append(wanted)
    return found


def unpinned(text: str) -> list[str]:
    known = pins(text)
    return sorted(
        f"{name}=={dist.version}"
        for name, dist in installed(*EVERYTHING).items()
        if not name.startswith("ringline") and known.get(name) != dist.version
    )


def test_everything_is_pinned_at_what_is_installed() -> None:
    assert unpinned((ROOT / "constraints.txt").read_text()) == []


def test_a_missing_pin_is_found() -> None:
    text = (ROOT / "constraints.txt").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("aiohttp==")]
    assert unpinned(text.replace(f"{line}\n", "")) == [line]
    assert unpinned(text.replace(line, "aiohttp==0.0.1")) == [line]
