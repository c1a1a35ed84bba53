"""Short by measure, and names that carry meaning."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
PLACES: Final = (
    "ringlined", "signaling", "messaging", "sfu", "turn", "backplane",
    "clients/python/src", "loadtest", "scripts",
)  # fmt: skip
FILE_LINES_MAX: Final = 800
FILE_LINES_MEDIAN_MAX: Final = 200
FUNCTION_LINES_MAX: Final = 70
FUNCTION_LINES_MEDIAN_MAX: Final = 10
FORBIDDEN_NAME: Final = re.compile(r"(^|_)(utils?|helpers?|common|misc|[a-z]*managers?)(_|$)")


def sources(*places: str) -> Iterator[Path]:
    for place in places:
        yield from sorted((ROOT / place).rglob("*.py"))


def line_count(path: Path) -> int:
    return len(path.read_text().splitlines())


def function_lengths(source: str) -> list[tuple[str, int]]:
    """Name and lines of every function, from `def` to the last line, decorators left out."""
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def too_long(source: str) -> list[str]:
    return [name for name, lines in function_lengths(source) if lines > FUNCTION_LINES_MAX]


def badly_named(path: str) -> list[str]:
    return [part for part in Path(path).with_suffix("").parts if FORBIDDEN_NAME.search(part)]


def test_no_file_is_too_long() -> None:
    lengths = {path: line_count(path) for path in sources(*PLACES, "tests")}
    assert {str(path): n for path, n in lengths.items() if n > FILE_LINES_MAX} == {}


def test_files_are_short_at_the_median() -> None:
    assert statistics.median(map(line_count, sources(*PLACES))) <= FILE_LINES_MEDIAN_MAX


def test_no_function_is_too_long() -> None:
    found = {str(path): too_long(path.read_text()) for path in sources(*PLACES, "tests")}
    assert {path: names for path, names in found.items() if names} == {}


def test_functions_are_short_at_the_median() -> None:
    lengths = [
        lines for path in sources(*PLACES) for _, lines in function_lengths(path.read_text())
    ]
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN_MAX


def test_names_carry_meaning() -> None:
    names = (path.relative_to(ROOT).as_posix() for path in sources(*PLACES, "tests"))
    assert {name: bad for name in names if (bad := badly_named(name))} == {}


def test_planted_violations_are_found() -> None:
    long = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
    assert too_long(long) == ["f"]
    assert too_long(long.replace("    x = 1\n", "", 1)) == []
    for name in ("sfu/utils.py", "a/text_helpers.py", "common/x.py", "a/call_manager.py"):
        assert badly_named(name), name
    assert badly_named("commands/mutual.py") == []
