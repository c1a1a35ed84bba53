import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from ringlined.exit_codes import ExitCode
from ringlined.readiness import until
from ringlined.role import Role
from ringlined.supervisor import RoleFailed, Supervisor

DEADLINE_S = 20.0
LIVES = """
import pathlib, sys, time
with pathlib.Path(sys.argv[1]).open("a") as file:
    file.write("started\\n")
time.sleep(600)
"""


async def always() -> bool:
    return True


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def starts(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def living_role(name: str, journal: Path) -> Role:
    async def has_started() -> bool:
        return starts(journal) > 0

    return Role(name, [sys.executable, "-S", "-c", LIVES, str(journal)], has_started)


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def supervisor(journal: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor([living_role("sleeper", journal)])
    await supervisor.start()
    yield supervisor
    await supervisor.stop()


async def test_a_role_that_was_killed_comes_back(supervisor: Supervisor, journal: Path) -> None:
    first = supervisor.processes["sleeper"]
    os.kill(first, signal.SIGKILL)

    async def is_back() -> bool:
        return starts(journal) == 2

    assert await until(is_back, DEADLINE_S)
    assert supervisor.processes["sleeper"] != first
    assert is_running(supervisor.processes["sleeper"])


async def test_stopping_ends_every_role_and_none_comes_back(journal: Path) -> None:
    other = journal.with_name("other")
    supervisor = Supervisor([living_role("one", journal), living_role("two", other)])
    await supervisor.start()
    pids = list(supervisor.processes.values())
    assert all(map(is_running, pids))
    await supervisor.stop()
    assert not any(map(is_running, pids))
    assert starts(journal) == starts(other) == 1


async def test_a_role_that_refuses_its_configuration_stops_the_start(journal: Path) -> None:
    refuses = Role("gateway", ["sh", "-c", f"exit {ExitCode.CONFIGURATION:d}"], never)
    supervisor = Supervisor([living_role("redis", journal), refuses])
    with pytest.raises(RoleFailed) as caught:
        await supervisor.start()
    assert caught.value.code == ExitCode.CONFIGURATION
    assert not is_running(supervisor.processes["redis"])


async def never() -> bool:
    return False


async def test_roles_start_in_order(tmp_path: Path) -> None:
    """The second is not started before the first is ready."""
    seen: list[Mapping[str, int]] = []
    ready = asyncio.Event()

    async def is_ready() -> bool:
        return ready.is_set()

    supervisor = Supervisor(
        [
            Role("first", ["sleep", "600"], is_ready),
            Role("second", ["sleep", "600"], always),
        ],
        on_change=seen.append,
    )
    starting = asyncio.create_task(supervisor.start())

    async def first_is_there() -> bool:
        return bool(seen)

    assert await until(first_is_there, DEADLINE_S)
    assert [set(processes) for processes in seen] == [{"first"}]
    ready.set()
    await starting
    assert [set(processes) for processes in seen] == [{"first"}, {"first", "second"}]
    await supervisor.stop()


async def test_what_a_role_says_goes_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def has_said() -> bool:
        return log.exists() and log.read_text() == "hello\n"

    role = Role("talker", ["sh", "-c", "echo hello; exec sleep 600"], has_said, log)
    supervisor = Supervisor([role])
    await supervisor.start()
    await supervisor.stop()
