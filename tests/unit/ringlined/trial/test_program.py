import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from ringlined.trial.program import Run, StepFailed, find_ringline, run_ringline

DEADLINE_S = 20.0
Start = Callable[[str], Awaitable[Run]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Runs Python text as if it were the `ringline` program."""
    runs: list[Run] = []

    async def start(text: str) -> Run:
        script = tmp_path / f"script-{len(runs)}.py"
        script.write_text(f"import json, sys, time\n{text}\n")
        runs.append(await run_ringline(sys.executable, [str(script)]))
        return runs[-1]

    yield start
    for run in runs:
        await run.stop()


SAY = 'print(json.dumps({"event": "%s"}), flush=True)'


async def test_it_gives_what_the_program_said(start: Start) -> None:
    run = await start(f"{SAY % 'one'}; {SAY % 'two'}")
    assert await run.result(DEADLINE_S) == [{"event": "one"}, {"event": "two"}]


async def test_it_waits_for_an_event_of_a_program_that_runs_on(start: Start) -> None:
    run = await start(f"{SAY % 'one'}; time.sleep(600)")
    found = await run.wait_for("one", lambda events: events[:1], DEADLINE_S)
    assert found == [{"event": "one"}]


async def test_what_does_not_come_in_time_is_named(start: Start) -> None:
    run = await start("time.sleep(600)")
    with pytest.raises(StepFailed, match=r"no answer within 0 s"):
        await run.wait_for("answer", lambda events: events, 0.05)


async def test_a_program_that_ends_too_early_is_named_with_its_complaint(start: Start) -> None:
    run = await start("sys.stderr.write('not today\\n'); sys.exit(3)")
    with pytest.raises(StepFailed, match=r"ended without answer.*not today"):
        await run.wait_for("answer", lambda events: events, DEADLINE_S)
    with pytest.raises(StepFailed, match="exit code 3: not today"):
        await run.result(DEADLINE_S)


async def test_a_program_that_does_not_end_is_ended(start: Start) -> None:
    run = await start("time.sleep(600)")
    with pytest.raises(StepFailed, match="did not end within"):
        await run.result(0.05)


async def test_a_program_that_is_let_go_says_its_last_words(start: Start) -> None:
    run = await start(
        f"import signal\ndef end(*_):\n    {SAY % 'gone'}\n    sys.exit(0)\n"
        f"signal.signal(signal.SIGINT, end)\n{SAY % 'here'}\ntime.sleep(600)"
    )
    await run.wait_for("start", lambda events: events, DEADLINE_S)
    await run.finish()
    assert [event["event"] for event in run.events] == ["here", "gone"]


async def test_what_is_no_json_is_a_complaint(start: Start) -> None:
    run = await start("print('Traceback'); sys.exit(1)")
    with pytest.raises(StepFailed, match="Traceback"):
        await run.result(DEADLINE_S)


def test_the_program_beside_this_interpreter_comes_first() -> None:
    assert Path(find_ringline()).parent == Path(sys.executable).parent


def test_a_program_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepFailed, match=r"pip install 'ringline\[all\]'"):
        find_ringline()
