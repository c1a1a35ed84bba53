"""The command line as a person meets it; against a real server in tests/integration and the demo."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ringline.command.exit_codes import ExitCode
from ringline.command.program import program

COMMANDS = ("register", "link", "devices", "send", "listen", "call", "join")
NOWHERE = ("--server", "http://127.0.0.1:1")


def ringline(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(program, list(arguments))
    return result.exit_code, result.output


def test_help_on_every_level() -> None:
    code, text = ringline("--help")
    assert code == 0
    for command in COMMANDS:
        assert command in text
        code, own = ringline(command, "-h")
        assert code == 0
        assert "--profile" in own
        assert "--json" in own
    assert "3: not registered" in " ".join(text.split())


def test_help_loads_no_client() -> None:
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from ringline.command.program import program\n"
        "assert CliRunner().invoke(program, ['call', '--help']).exit_code == 0\n"
        "print(*[n for n in ('aiohttp', 'aiortc', 'av', 'numpy') if n in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split() == []


def test_the_version() -> None:
    code, text = ringline("--version")
    assert code == 0
    assert text.startswith("ringline 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["register"],
        ["register", "+12025550111", "--link", "CODE"],
        ["send", "+12025550111", "hello", "--wait", "tomorrow"],
        ["send", "+12025550111"],
        ["devices", "--revoke", "200"],
        ["call", "+12025550111", "--ring", "0"],
        ["dance"],
        ["listen", "--profile", "no good name"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    code, _ = ringline(*arguments)
    assert code == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments",
    [
        ["devices"],
        ["link"],
        ["send", "+12025550111", "hello"],
        ["listen", "--for", "1"],
        ["call", "+12025550111", "--video", "none"],
    ],
)
def test_a_profile_that_is_not_registered_ends_with_3(arguments: list[str], tmp_path: Path) -> None:
    code, text = ringline(*arguments, "--profile", str(tmp_path / "new"), *NOWHERE)
    assert code == ExitCode.NOT_REGISTERED
    assert "ringline register" in text


def test_a_server_that_is_not_there_ends_with_5(tmp_path: Path) -> None:
    profile = ("--profile", str(tmp_path / "new"), "--json")
    register = ("register", "+12025550111", "--code", "111111")
    command = [sys.executable, "-m", "ringline", *register, *profile, *NOWHERE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == ExitCode.UNREACHABLE
    [told] = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (told["event"], told["exit_code"]) == ("error", 5)
    assert ended.stderr.startswith("ringline: ")


def test_without_a_terminal_the_code_must_be_given(tmp_path: Path) -> None:
    code, text = ringline("register", "+12025550111", "--profile", str(tmp_path / "x"), *NOWHERE)
    assert code == ExitCode.USAGE
    assert "--code" in text


def test_a_call_of_no_file_calls_nobody(tmp_path: Path) -> None:
    code, text = ringline("call", "+1", "--video", "gone.mp4", "--profile", str(tmp_path / "x"))
    assert code == ExitCode.FAILED
    assert "gone.mp4" in text
