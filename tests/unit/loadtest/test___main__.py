"""The command line: what it refuses, what it writes, when it ends with status 1."""

from pathlib import Path

import msgspec
import pytest

from loadtest import __main__ as command
from loadtest.budget import Bar
from loadtest.figures import Figure
from loadtest.scenario import Options


async def two_figures(options: Options) -> list[Figure]:
    options.tell("measuring")
    return [
        Figure(name=f"cost, {options.tls_text}", unit="µs", ours=100.0),
        Figure(name="time", unit="s", ours=options.seconds),
    ]


@pytest.fixture(autouse=True)
def fake_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command.SCENARIOS, "fake", command.Entry(two_figures, 7, "nothing"))


def bars(monkeypatch: pytest.MonkeyPatch, at_most: float) -> None:
    bar = Bar(scenario="fake", figure="cost, TLS off", at_most=at_most)
    monkeypatch.setattr(command, "read_bars", lambda: [bar])


@pytest.mark.parametrize(("at_most", "status"), [(100.0, 0), (99.0, 1)])
def test_a_broken_bar_is_status_1_and_in_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_most: float, status: int
) -> None:
    bars(monkeypatch, at_most)
    out = tmp_path / "report.json"
    assert command.main(["fake", "--json", str(out)]) == status
    report = msgspec.json.decode(out.read_bytes())
    assert report["scenario"] == "fake"
    cost, time = report["figures"]
    assert cost == {
        "name": "cost, TLS off",
        "unit": "µs",
        "ours": 100.0,
        "peer": None,
        "ratio": None,
        "budget": at_most,
        "holds": status == 0,
    }
    assert time["ours"] == 7
    assert time["holds"] is None


def test_seconds_and_tls_reach_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["fake", "--seconds", "3", "--tls"]) == 0
    shown = capsys.readouterr()
    assert "TLS on" in shown.out
    assert "3" in shown.out
    assert "fake: measuring" in shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such"],
        ["fake", "--against", "nobody"],
        ["fake", "--plane", "native"],
        ["fake", "--plane", "rusty"],
        ["fake", "--seconds", "0"],
        ["call-setup", "--tls"],
        ["relay", "--against", "nobody"],
        ["relay", "--tls"],
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_scenarios_of_the_house_are_offered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    text = capsys.readouterr().out
    for name in ("messages", "connections", "call-setup", "relay"):
        assert name in text
