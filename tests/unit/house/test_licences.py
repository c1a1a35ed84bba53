"""What we ship may be shipped: the licence of every distribution that an installation pulls in."""

import re
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import Distribution, PackageMetadata, distribution
from pathlib import Path
from typing import Final, cast

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[3]
SHIPPED: Final = ("ringline-server", "ringline[all]")
OURS: Final = frozenset(["ringline", "ringline-server"])

PERMITTED: Final = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    ]
)
"""SPDX identifiers. MPL-2.0 binds the files it covers only."""
WORDS: Final = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
}
"""Older metadata says it in words."""
REVIEWED: Final[dict[str, str]] = {}
"""Distributions whose metadata says nothing: their licence, read in their source by a person."""


def closure(*roots: str) -> dict[str, Distribution]:
    """Every distribution that installing `roots` here installs, by canonical name."""
    found: dict[str, Distribution] = {}
    todo = [Requirement(root) for root in roots]
    visited: set[tuple[str, str]] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in visited:
                continue
            visited.add((name, extra))
            found[name] = found.get(name) or distribution(name)
            todo += [
                wanted
                for wanted in map(Requirement, found[name].requires or [])
                if wanted.marker is None or wanted.marker.evaluate({"extra": extra})
            ]
    return found


def licences(name: str, metadata: PackageMetadata) -> list[str]:
    """As SPDX identifiers where they can be read, else as they stand; empty: unknown."""
    expression = metadata.get_all("License-Expression")
    if expression:
        return list(spdx(expression[0]))
    classifiers = [
        text.rsplit(" :: ", 1)[-1]
        for text in metadata.get_all("Classifier") or []
        if text.startswith("License :: ") and text != "License :: OSI Approved"
    ]
    words = classifiers or metadata.get_all("License") or [""]
    if not any(words):
        words = [REVIEWED.get(name, "")]
    return [WORDS.get(normal(word), word.strip()) for word in words if word.strip()]


def normal(words: str) -> str:
    return re.sub(r"[,\s]+", " ", words).strip().lower()


def spdx(expression: str) -> Iterator[str]:
    """Every licence of the expression. One of `A OR B` is enough for the law, both for us."""
    for word in re.findall(r"[A-Za-z0-9.+-]+", expression):
        if word not in ("AND", "OR", "WITH"):
            yield word


def refused(name: str, metadata: PackageMetadata) -> list[str]:
    """Why it may not be shipped; empty: it may."""
    found = licences(name, metadata)
    return [licence for licence in found if licence not in PERMITTED] if found else ["unknown"]


def test_everything_shipped_is_permitted() -> None:
    shipped = closure(*SHIPPED)
    assert {"aiohttp", "redis", "av", "uvloop", "aiortc"} <= set(shipped)
    found = {name: refused(name, dist.metadata) for name, dist in shipped.items()}
    assert {name: why for name, why in found.items() if why} == {}


def metadata(**fields: str) -> PackageMetadata:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return cast("PackageMetadata", message)


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "GPL-3.0-or-later"},
        {"License_Expression": "MIT AND AGPL-3.0-only"},
        {"License_Expression": "LGPL-2.1-or-later OR MIT"},
        {"License": "GNU General Public License v3"},
        {"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"},
        {"License": "Proprietary"},
        {},
    ],
)
def test_planted_licence_is_refused(fields: dict[str, str]) -> None:
    assert refused("planted", metadata(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "(MIT OR Apache-2.0) AND BSD-3-Clause"},
        {"License": "Apache License, Version 2.0"},
        {"Classifier": "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"},
    ],
)
def test_permitted_licence_passes(fields: dict[str, str]) -> None:
    assert refused("planted", metadata(**fields)) == []


def test_our_own_licence_is_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    for name in OURS:
        assert distribution(name).metadata["License-Expression"] == "Apache-2.0"


def test_what_pyav_bundles_is_written_down() -> None:
    """PyAV's wheels carry FFmpeg with GPL encoders, which no metadata tells."""
    text = (ROOT / "docs" / "security.md").read_text()
    assert "x264" in text and "x265" in text
