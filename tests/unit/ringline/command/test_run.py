import asyncio
import json
import os
import signal

import pytest
import typer

from ringline.client.errors import (
    CallFailed,
    DeadlinePassed,
    Disconnected,
    NotRegistered,
    OutboxFull,
    ProfileDamaged,
    ProfileInUse,
    Refused,
    Unreachable,
)
from ringline.client.profile import BadProfileName
from ringline.command.exit_codes import ExitCode
from ringline.command.output import Output
from ringline.command.run import Failed, exit_code, run
from ringline.media.errors import MediaUnavailable
from ringline.protocol.problems import ProblemType


def code_of(work: object, *, as_json: bool = False, ends_itself: bool = False) -> int:
    with pytest.raises(typer.Exit) as left:
        run(work, as_json, ends_itself=ends_itself)  # type: ignore[arg-type]
    return left.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotRegistered(), ExitCode.NOT_REGISTERED),
        (Disconnected("device-revoked"), ExitCode.NOT_REGISTERED),
        (Refused(ProblemType.CREDENTIAL_REFUSED.describe()), ExitCode.NOT_REGISTERED),
        (Refused(ProblemType.CODE_REFUSED.describe()), ExitCode.REFUSED),
        (Unreachable("x"), ExitCode.UNREACHABLE),
        (DeadlinePassed("x"), ExitCode.UNREACHABLE),
        (BadProfileName("x"), ExitCode.USAGE),
        (Failed("x", ExitCode.USAGE), ExitCode.USAGE),
        (Failed("x"), ExitCode.FAILED),
        (MediaUnavailable("x"), ExitCode.FAILED),
        (CallFailed("x"), ExitCode.FAILED),
        (ProfileInUse("x"), ExitCode.FAILED),
        (OutboxFull("x"), ExitCode.FAILED),
        (ProfileDamaged("x"), ExitCode.FAILED),
    ],
)
def test_every_error_has_a_code(error: Exception, code: ExitCode) -> None:
    async def work(_output: Output, _stop: asyncio.Event) -> ExitCode:
        raise error

    assert exit_code(error) is code
    assert code_of(work) == code


def test_an_error_is_told_to_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(_output: Output, _stop: asyncio.Event) -> ExitCode:
        raise Refused(ProblemType.RATE_LIMITED.describe(retry_after_s=9))

    assert code_of(work, as_json=True) == ExitCode.REFUSED
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["event"], told["problem"], told["exit_code"]) == ("error", "rate-limited", 4)
    assert "try again in 9 s" in captured.err


def test_mistakes_of_ours_are_not_hidden() -> None:
    async def work(_output: Output, _stop: asyncio.Event) -> ExitCode:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cuts_work_off(number: signal.Signals) -> None:
    cleaned = []

    async def work(_output: Output, _stop: asyncio.Event) -> ExitCode:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)
        return ExitCode.OK

    assert code_of(work) == ExitCode.FAILED
    assert cleaned == [True]


def test_a_signal_lets_work_end_itself_and_the_second_cuts_it_off() -> None:
    async def patient(_output: Output, stop: asyncio.Event) -> ExitCode:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        return ExitCode.OK

    assert code_of(patient, ends_itself=True) == ExitCode.OK

    async def stubborn(_output: Output, stop: asyncio.Event) -> ExitCode:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)
        return ExitCode.OK

    assert code_of(stubborn, ends_itself=True) == ExitCode.FAILED
