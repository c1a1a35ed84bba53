"""`ringlined up` and `ringlined gateway` as processes."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ringlined.exit_codes import ExitCode
from ringlined.secret_files import make_secrets
from ringlined.status import Status, read_status

DEADLINE_S = 40.0
FREE = ("--port", "0", "--admin-port", "0")


def ringlined(
    *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ringlined", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(variables or {})},
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Exit code and all it said. Kills it at the deadline, and fails."""
    try:
        said, _ = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, said.decode()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_ready(status: Status) -> bool:
    try:
        with urllib.request.urlopen(f"{status.admin_url}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class Up:
    def __init__(self, data: Path, *, variables: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.process = ringlined("up", "--data", str(data), *FREE, variables=variables)

    def status(self) -> Status:
        status = read_status(self.data)
        assert status is not None
        return status

    def wait_ready(self) -> Status:
        def ready() -> bool:
            assert self.process.poll() is None, ended(self.process)[1]
            status = read_status(self.data)
            return status is not None and status.ready and is_ready(status)

        wait_for(ready)
        return self.status()

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        return ended(self.process)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path)
    try:
        up.wait_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()
        if up.process.stdout is not None:
            up.process.stdout.close()


@pytest.mark.parametrize("role", ["gateway", "redis", "sfu", "turn"])
def test_a_killed_role_comes_back(up: Up, role: str) -> None:
    before = up.status()
    os.kill(before.roles[role], signal.SIGKILL)
    wait_for(lambda: up.status().roles[role] != before.roles[role])
    after = up.wait_ready()
    assert after.url == before.url
    others = before.roles.keys() - {role}
    assert {name: after.roles[name] for name in others} == {
        name: before.roles[name] for name in others
    }


def test_sigterm_stops_everything(up: Up) -> None:
    roles = up.status().roles
    code, said = up.stop()
    assert code == ExitCode.OK, said
    assert not any(map(is_running, roles.values()))
    assert read_status(up.data) is None
    assert "Ringline is up" in said
    assert "gateway stopped" in said


def test_the_roles_die_with_a_killed_supervisor(up: Up) -> None:
    roles = up.status().roles
    up.process.kill()
    up.process.wait()
    wait_for(lambda: not any(map(is_running, roles.values())))


def test_one_stack_at_a_time_on_a_directory(up: Up) -> None:
    code, said = ended(ringlined("up", "--data", str(up.data), *FREE))
    assert code == ExitCode.UNAVAILABLE
    assert "another stack runs" in said
    assert is_ready(up.status())


def test_without_redis_server_it_runs_in_one_process_and_says_so(tmp_path: Path) -> None:
    up = Up(tmp_path, variables={"PATH": str(tmp_path)})
    status = up.wait_ready()
    assert status.roles == {}
    code, said = up.stop()
    assert code == ExitCode.OK, said
    assert "no redis-server program" in said


@pytest.mark.parametrize("demo", [(), ("--demo",)])
def test_a_taken_port_is_said_and_ends_it(tmp_path: Path, demo: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = ("--port", port, "--admin-port", "0")
        code, said = ended(ringlined("up", "--data", str(tmp_path), *ports, *demo))
    assert code == ExitCode.UNAVAILABLE
    assert "in use" in said


def test_a_gateway_refuses_to_start_without_a_redis(tmp_path: Path) -> None:
    code, said = ended(ringlined("migrate", "--data", str(tmp_path)))
    assert code == ExitCode.OK, said
    nowhere = f"unix://{tmp_path}/nothing.sock"
    code, said = ended(ringlined("gateway", "--data", str(tmp_path), "--redis", nowhere, *FREE))
    assert code == ExitCode.UNAVAILABLE
    assert "Redis" in said


@pytest.mark.parametrize("role", ["sfu", "turn"])
def test_media_roles_refuse_to_start_without_their_secrets(tmp_path: Path, role: str) -> None:
    code, said = ended(ringlined(role, "--data", str(tmp_path), "--admin-port", "0"))
    assert code == ExitCode.CONFIGURATION
    assert "is empty, and the data directory has none" in said


@pytest.mark.parametrize("role", ["sfu", "turn"])
def test_media_roles_refuse_to_start_without_a_redis(tmp_path: Path, role: str) -> None:
    make_secrets(tmp_path)
    nowhere = f"unix://{tmp_path}/nothing.sock"
    code, said = ended(
        ringlined(role, "--data", str(tmp_path), "--admin-port", "0", "--redis", nowhere)
    )
    assert code == ExitCode.UNAVAILABLE
    assert "needs a Redis" in said


def test_a_gateway_refuses_stores_that_are_not_migrated(tmp_path: Path) -> None:
    code, said = ended(ringlined("gateway", "--data", str(tmp_path), *FREE))
    assert code == ExitCode.UNAVAILABLE
    assert "ringlined migrate" in said


def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    code, said = ended(ringlined("migrate", "--data", str(tmp_path)))
    assert (code, "done: " in said) == (ExitCode.OK, True)
    code, said = ended(ringlined("migrate", "--data", str(tmp_path)))
    assert (code, said) == (ExitCode.OK, "nothing to do\n")


@pytest.mark.parametrize("command", ["up", "gateway", "migrate"])
def test_a_refused_configuration_names_the_key(tmp_path: Path, command: str) -> None:
    path = tmp_path / "ringline.toml"
    path.write_text("[gateway]\nprot = 1")
    code, said = ended(ringlined(command, "--config", str(path)))
    assert code == ExitCode.CONFIGURATION
    assert "prot" in said
    assert "Traceback" not in said


def test_config_checks_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ringline.toml"
    code, said = ended(ringlined("config"))
    assert code == ExitCode.OK
    path.write_text(said)
    assert ended(ringlined("config", "--check", str(path)))[0] == ExitCode.OK
    path.write_text("colour = 1")
    code, said = ended(ringlined("config", "--check", str(path)))
    assert code == ExitCode.CONFIGURATION
    assert "colour" in said
