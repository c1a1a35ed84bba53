import os
import sys
from pathlib import Path

import msgspec
import pytest

from ringlined.config import Config, load_config
from ringlined.embedded import Embedded, Note, role_command, roles, where_to_look
from ringlined.status import read_status


def embedded(tmp_path: Path, **changes: object) -> Embedded:
    plain = Embedded(
        load_config(None), tmp_path, None, redis_configured=False, lan=False, demo=False
    )
    values = {name: getattr(plain, name) for name in Embedded.__slots__}
    return Embedded(**{**values, **changes})


def with_gateway(**changes: object) -> Config:
    config = load_config(None)
    gateway = msgspec.structs.replace(config.gateway, **changes)
    return msgspec.structs.replace(config, gateway=gateway)


def note(tmp_path: Path) -> Note:
    return Note(embedded(tmp_path))


def test_redis_starts_before_the_roles_that_are_told_of_it(tmp_path: Path) -> None:
    started = roles(embedded(tmp_path), note(tmp_path), "/usr/bin/redis-server", Path("/run/x"))
    assert [role.name for role in started] == ["redis", "gateway", "sfu", "turn"]
    assert "/run/x/redis.sock" in started[0].command
    for role in started[1:]:
        assert role.command[-2:] == ["--redis", "unix:///run/x/redis.sock"]


def test_a_configured_redis_is_left_to_the_roles(tmp_path: Path) -> None:
    started = roles(embedded(tmp_path), note(tmp_path), None, Path("/run/x"))
    assert [role.name for role in started] == ["gateway", "sfu", "turn"]
    assert not any("--redis" in role.command for role in started)


@pytest.mark.parametrize("name", ["gateway", "sfu", "turn"])
def test_a_role_is_started_with_what_up_was_given(tmp_path: Path, name: str) -> None:
    given = embedded(tmp_path, config_file=Path("/etc/r.toml"), lan=True)
    command = role_command(given, name, None)
    assert command[:4] == [sys.executable, "-m", "ringlined", name]
    assert command[command.index("--config") + 1] == "/etc/r.toml"
    assert command[command.index("--data") + 1] == str(tmp_path)
    assert "--lan" in command


def test_where_to_look_warns_of_an_open_door(tmp_path: Path) -> None:
    assert "NOTE" not in where_to_look(embedded(tmp_path))
    opened = embedded(tmp_path, config=with_gateway(host="0.0.0.0"))
    assert "every network interface" in where_to_look(opened)


def test_with_the_demo_roles_write_to_files_that_are_named(tmp_path: Path) -> None:
    with_demo = embedded(tmp_path, demo=True)
    for role in roles(with_demo, note(tmp_path), None, Path("/run/x")):
        assert role.log == tmp_path / f"{role.name}.log"
        assert f"{role.name}.log" in where_to_look(with_demo)
    for role in roles(embedded(tmp_path), note(tmp_path), None, Path("/run/x")):
        assert role.log is None


def test_the_note_follows_the_roles(tmp_path: Path) -> None:
    made = note(tmp_path)
    made.changed({"gateway": 5})
    status = read_status(tmp_path)
    assert status is not None
    assert (status.supervisor, status.roles, status.ready) == (os.getpid(), {"gateway": 5}, False)
    assert status.media["turn"] == "127.0.0.1:3478"


def test_the_note_names_the_private_redis(tmp_path: Path) -> None:
    made = note(tmp_path)
    roles(embedded(tmp_path), made, "/usr/bin/redis-server", Path("/run/x"))
    assert made.redis == "unix:///run/x/redis.sock"
