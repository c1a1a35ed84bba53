"""A session description (RFC 8866) as lines: thin, so that nothing of an offer is lost.

Says what is written where; `description.py` says what of it we take.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sfu.errors import invalid

LINE_CHARACTERS_MAX: Final = 4096
SECTION_LINES_MAX: Final = 1024
"""Of one media section, or before the first."""
FORMATS_MAX: Final = 128

_MEDIA: Final = re.compile(
    r"(audio|video|application|text|message|image) (\d{1,5}) ([A-Za-z0-9/]+) (.+)"
)


class Attributes:
    """The `a=` lines of one place, in their order."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def add(self, name: str, value: str) -> None:
        self._lines.append((name, value))

    def has(self, name: str) -> bool:
        return any(known == name for known, _ in self._lines)

    def first(self, name: str) -> str | None:
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[str]:
        return (value for known, value in self._lines if known == name)

    def __len__(self) -> int:
        return len(self._lines)


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` line and what belongs to it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Lines:
    session: Attributes
    media: tuple[Media, ...]


def read_lines(text: str, sections_max: int) -> Lines:
    """Raises Refused (invalid)."""
    lines = text.splitlines()
    if not lines or lines[0] != "v=0":
        raise invalid("sdp: does not begin with v=0")
    session = Attributes()
    media: list[Media] = []
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise invalid(f"sdp: line {number} is too long")
        if line.startswith("m="):
            if len(media) >= sections_max:
                raise invalid(f"sdp: more than {sections_max} media sections")
            media.append(_media(line, number))
        elif line.startswith("a="):
            where = media[-1].attributes if media else session
            if len(where) >= SECTION_LINES_MAX:
                raise invalid(f"sdp: line {number} is one too many for its section")
            name, _, value = line[2:].partition(":")
            where.add(name, value.strip())
        elif line[1:2] != "=":
            raise invalid(f"sdp: line {number} is none")
    return Lines(session, tuple(media))


def _media(line: str, number: int) -> Media:
    found = _MEDIA.fullmatch(line[2:].strip())
    formats = tuple(found[4].split()) if found else ()
    if found is None or int(found[2]) > 65535 or len(formats) > FORMATS_MAX:
        raise invalid(f"sdp: line {number} is no media line")
    return Media(found[1], int(found[2]), found[3], formats, Attributes())
