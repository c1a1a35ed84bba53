import uuid
from typing import Any

import pytest

from ringline.client.call_side import CallPhase, EndReason
from ringline.command.call_report import FIGURES, CallReport, show_phase, show_reports
from ringline.command.output import Output
from ringline.media.statistics import Counters, compose


class FakeCall:
    id = uuid.UUID(int=7)
    account = uuid.UUID(int=2)
    phase = CallPhase.RINGING
    reason: EndReason | None = None
    outcome = None
    error: str | None = None
    made: Any = None

    def statistics(self) -> Any:
        return self.made


class FakePeople:
    def name(self, _: uuid.UUID) -> str:
        return "Bob"

    def number(self, _: uuid.UUID) -> None:
        return None


@pytest.fixture
def call() -> Any:
    return FakeCall()


def test_phases_are_noted_once_each(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report, output, people = CallReport(call, "outgoing"), Output(True), FakePeople()
    for phase in (CallPhase.RINGING, CallPhase.RINGING, CallPhase.CONNECTING, CallPhase.ACTIVE):
        call.phase = phase
        show_phase(output, people, report)  # type: ignore[arg-type]
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert report.was_active
    fields = report.fields(people)  # type: ignore[arg-type]
    assert 0 <= fields["ring_ms"] <= fields["answer_ms"] <= fields["active_ms"]
    assert fields["duration_s"] >= 0


def test_a_call_that_never_was(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report = CallReport(call, "outgoing")
    call.phase, call.reason = CallPhase.ENDED, EndReason.BUSY
    report.note()
    assert not report.was_active
    fields = report.fields(FakePeople())  # type: ignore[arg-type]
    assert fields["statistics"] is None
    assert fields["answer_ms"] is fields["duration_s"] is None
    assert len(report.figures(FakePeople())) == len(FIGURES)  # type: ignore[arg-type]
    show_reports(Output(False), FakePeople(), [report])  # type: ignore[arg-type]
    assert "busy" in capsys.readouterr().out


def test_figures_of_a_call_that_was(call: Any) -> None:
    report = CallReport(call, "incoming")
    call.phase = CallPhase.ACTIVE
    report.note()
    call.made = compose(Counters(set_up_ms=20.0, video_frames_decoded=9), [])
    figures = dict(zip(FIGURES, report.figures(FakePeople()), strict=True))  # type: ignore[arg-type]
    assert figures["media set-up, ms"] == 20.0
    assert figures["frames shown"] == "9 of 0"
    assert report.fields(FakePeople())["statistics"]["set_up_ms"] == 20.0  # type: ignore[arg-type]


def test_no_calls_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_reports(Output(False), FakePeople(), [])  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""
