from pathlib import Path

import pytest

from ringlined.demo import meeting as module
from ringlined.demo.meeting import Meeting, seen
from ringlined.trial.device import Device
from ringlined.trial.program import Event, StepFailed


def of(name: str, frames: int = 60, sound_s: float = 3.0) -> Event:
    return {"name": name, "frames_decoded": frames, "audio_seconds": sound_s}


def ended(*others: Event) -> list[Event]:
    return [
        {"event": "group-call", "link": "x"},
        {"event": "group-call-ended", "participants": others},
    ]


def test_who_sees_and_hears_both_others_is_in_the_call() -> None:
    assert seen("Ann", ended(of("Bob"), of("Cleo", 30))) == [60, 30]


@pytest.mark.parametrize("cleo", [of("Cleo", frames=3), of("Cleo", sound_s=0.2)])
def test_hardly_anything_of_one_of_them_is_not_enough(cleo: Event) -> None:
    with pytest.raises(StepFailed, match=r"Ann received 60 pictures and 3\.0 s of Bob"):
        seen("Ann", ended(of("Bob"), cleo))


def test_nobody_at_all_is_said_plainly() -> None:
    with pytest.raises(StepFailed, match="Bob received nothing"):
        seen("Bob", ended())


@pytest.mark.parametrize(
    ("server", "program", "words"),
    [
        ("http://127.0.0.1:1", None, "no Chromium is installed"),
        ("http://ringline.example:8080", "/usr/bin/chromium", "plain http"),
        ("http://127.0.0.1:1", "/usr/bin/chromium", "page is not built"),
    ],
)
async def test_without_a_browser_it_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str, program: str | None, words: str
) -> None:
    monkeypatch.setattr(module, "find_chromium", lambda: program)

    async def headless(self: Meeting) -> Event:
        return {"cleo_sees": [30, 30]}

    monkeypatch.setattr(Meeting, "_headless", headless)
    device = Device("ann", tmp_path / "ann", "ringline", server)
    figures = await Meeting(device, device, device).hold()
    assert figures["third"] == "headless"
    assert words in figures["warning"]
