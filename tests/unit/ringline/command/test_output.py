import json
import uuid

import pytest

from ringline.client.call_side import CallPhase
from ringline.command.output import Output, clock_text, day_text


def test_json_is_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(True)
    output.event("message", name="not the event's", id=uuid.UUID(int=1), text="ä\n\x1b[2J")
    output.event("call", phase=CallPhase.ACTIVE, number=None)
    output.line("for people")
    output.table(["a"], [["b"]])
    output.progress("for people")
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert json.loads(lines[0]) == {
        "event": "message",
        "name": "not the event's",
        "id": str(uuid.UUID(int=1)),
        "text": "ä\n\x1b[2J",
    }
    assert json.loads(lines[1]) == {"event": "call", "phase": "active", "number": None}
    assert len(lines) == 2
    assert "\x1b" not in captured.out, "JSON escapes it"
    assert captured.err == ""


def test_people_get_lines_and_progress_apart(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(False)
    output.event("for-scripts", x=1)
    output.line("hello")
    output.progress("working")
    output.complain("oh")
    output.table(["what", "ms"], [("a", 1.25), (None, 2)])
    captured = capsys.readouterr()
    assert "hello" in captured.out
    assert "for-scripts" not in captured.out
    assert "1.2" in captured.out
    assert "–" in captured.out
    assert captured.err.splitlines() == ["working", "ringline: oh"]


def test_what_strangers_write_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(False)
    output.line("[bold]a[/bold] \x1b[2J\x07\u202e")
    output.table(["[red]x"], [["\x1b[31mred"]])
    shown = capsys.readouterr().out
    assert "[bold]a[/bold]" in shown
    assert not any(bad in shown for bad in ("\x1b", "\x07", "\u202e"))


def test_times() -> None:
    assert len(clock_text(0)) == 8
    assert day_text(None) == "never"
    assert day_text(1_000_000_000_000).startswith("2001-09-0")
