"""The JSON has the promised shape; the table shows every figure; the revision says when it is dirty."""

import io
import subprocess
from pathlib import Path

import msgspec
from rich.console import Console

from loadtest.figures import Figure
from loadtest.report import Report, print_table, revision, this_machine

FIGURES = [
    Figure(
        name="cpu per unit", unit="µs", ours=1234.5, peer=617.25, ratio=2.0, budget=1, holds=False
    ),
    Figure(name="latency", unit="ms", ours=0.25),
]
REPORT = Report(scenario="messages", revision="a" * 40, machine=this_machine(), figures=FIGURES)


def test_the_json_has_the_promised_shape() -> None:
    document = msgspec.json.decode(msgspec.json.encode(REPORT))
    assert list(document) == ["scenario", "revision", "machine", "figures"]
    keys = ["name", "unit", "ours", "peer", "ratio", "budget", "holds"]
    assert [list(figure) for figure in document["figures"]] == [keys, keys]
    assert document["figures"][1]["peer"] is None
    assert document["machine"]["cores"] >= 1


def test_one_broken_bar_breaks_the_report() -> None:
    assert not REPORT.holds
    assert msgspec.structs.replace(REPORT, figures=FIGURES[1:]).holds


def test_the_table_shows_every_figure() -> None:
    out = io.StringIO()
    print_table(REPORT, Console(file=out, width=200))
    text = out.getvalue()
    for part in ("cpu per unit", "1,234", "617", "no", "latency", "0.25", "aaaaaaaaaaaa"):
        assert part in text


def test_the_revision_says_when_files_differ(tmp_path: Path) -> None:
    assert revision(tmp_path) is None

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, timeout=30)

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "a")
    clean = revision(tmp_path)
    assert clean is not None
    assert len(clean) == 40
    (tmp_path / "a").write_text("2")
    assert revision(tmp_path) == clean + "+"
