from pathlib import Path

import msgspec
from rich.console import Console

from ringlined.doctor.examination import Diagnosis, examine
from ringlined.doctor.hop import HopName
from ringlined.doctor.installation import Wish
from ringlined.doctor.show import show_diagnosis, show_hop
from ringlined.trial.step import Outcome


async def test_it_stops_at_the_first_broken_hop_and_names_it(tmp_path: Path) -> None:
    said: list[Outcome] = []
    diagnosis = await examine(Wish(data=tmp_path), said.append)
    assert not diagnosis.well
    assert diagnosis.broken == HopName.CONFIGURATION
    assert diagnosis.hops == said
    assert [diagnosis.broken, *diagnosis.not_tried] == list(HopName)
    assert msgspec.json.decode(msgspec.json.encode(diagnosis))["broken"] == "configuration"


async def test_later_hops_are_asked_in_their_order(tmp_path: Path) -> None:
    config = tmp_path / "ringline.toml"
    config.write_text(f"[registry]\nurl = 'unix://{tmp_path}/none.sock'")
    diagnosis = await examine(Wish(data=tmp_path, config_file=config), lambda _: None)
    assert diagnosis.broken == HopName.REDIS
    assert [hop.passed for hop in diagnosis.hops] == [True, True, False]


def shown(outcome: Outcome, diagnosis: Diagnosis) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        show_hop(console, outcome)
        show_diagnosis(console, diagnosis)
    return capture.get()


def diagnosis(well: bool, outcome: Outcome) -> Diagnosis:
    return Diagnosis(
        well=well,
        broken=None if well else outcome.step,
        seconds=1.0,
        server=None,
        hops=[outcome],
        not_tried=[] if well else ["sfu", "message"],
    )


def test_a_broken_hop_is_shown_with_what_to_do() -> None:
    outcome = Outcome(
        step="relay port", passed=False, seconds=1, problem="[x] no answer", advice="Look there."
    )
    text = shown(outcome, diagnosis(False, outcome))
    for part in ("✗ relay port", "BROKEN", "[x] no answer", "Look there.", "Broken: relay port"):
        assert part in text
    assert "Not tried: sfu, message" in text


def test_a_hop_that_is_well_is_shown_with_its_figures_and_its_warning() -> None:
    outcome = Outcome(
        step="certificate",
        passed=True,
        seconds=1,
        figures={"tls": True, "days_left": 3.25, "names": ["a", "b"]},
        warning="soon over",
    )
    text = shown(outcome, diagnosis(True, outcome))
    assert "tls yes, days left 3.2, names a and b" in text
    assert "soon over" in text
    assert "All 1 hops are well" in text


def test_what_was_not_tried_is_not_called_well() -> None:
    outcome = Outcome(step="message", passed=True, seconds=0, skipped="sealed only")
    text = shown(outcome, diagnosis(True, outcome))
    assert "– message" in text
    assert "not tried: sealed only" in text
    assert "0 hops are well, in 1.0 s; not tried: message." in text
    assert "All" not in text
