import os
import sys
from pathlib import Path

import msgspec
import pytest

from ringlined.config import Config, load_config
from ringlined.embedded import (
    Embedded,
    Note,
    gateway_command,
    roles,
    urls,
    where_to_look,
    with_free_ports,
)
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


def test_redis_starts_before_the_gateway_that_is_told_of_it(tmp_path: Path) -> None:
    note = Note(tmp_path, "", "")
    redis, gateway = roles(embedded(tmp_path), note, "/usr/bin/redis-server", Path("/run/x"))
    assert (redis.name, gateway.name) == ("redis", "gateway")
    assert gateway.command[-2:] == ["--redis", "unix:///run/x/redis.sock"]
    assert "/run/x/redis.sock" in redis.command


def test_a_configured_redis_is_left_to_the_gateway(tmp_path: Path) -> None:
    [gateway] = roles(embedded(tmp_path), Note(tmp_path, "", ""), None, Path("/run/x"))
    assert gateway.name == "gateway"
    assert "--redis" not in gateway.command


def test_the_gateway_is_started_with_what_up_was_given(tmp_path: Path) -> None:
    command = gateway_command(embedded(tmp_path, config_file=Path("/etc/r.toml"), lan=True), None)
    assert command[:4] == [sys.executable, "-m", "ringlined", "gateway"]
    assert command[command.index("--config") + 1] == "/etc/r.toml"
    assert command[command.index("--data") + 1] == str(tmp_path)
    assert "--lan" in command


def test_port_0_is_decided_once() -> None:
    gateway = with_free_ports(with_gateway(port=0, admin_port=0)).gateway
    assert gateway.port > 0
    assert gateway.admin_port > 0
    fixed = with_gateway(port=1000, admin_port=1001)
    assert with_free_ports(fixed) == fixed


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_urls_are_those_of_this_machine(host: str, url: str) -> None:
    assert urls(with_gateway(host=host))[0] == url


def test_tls_shows_in_the_url() -> None:
    config = with_gateway(certificate_file="c.pem", private_key_file="k.pem")
    assert urls(config)[0].startswith("https://")


def test_where_to_look_warns_of_an_open_door(tmp_path: Path) -> None:
    assert "NOTE" not in where_to_look(embedded(tmp_path))
    opened = embedded(tmp_path, config=with_gateway(host="0.0.0.0"))
    assert "every network interface" in where_to_look(opened)


def test_with_the_demo_the_gateway_writes_to_a_file_that_is_named(tmp_path: Path) -> None:
    with_demo = embedded(tmp_path, demo=True)
    [gateway] = roles(with_demo, Note(tmp_path, "", ""), None, Path("/run/x"))
    assert gateway.log == tmp_path / "gateway.log"
    assert str(gateway.log) in where_to_look(with_demo)
    [plain] = roles(embedded(tmp_path), Note(tmp_path, "", ""), None, Path("/run/x"))
    assert plain.log is None


def test_the_note_follows_the_roles(tmp_path: Path) -> None:
    note = Note(tmp_path, "http://a", "http://b")
    note.changed({"gateway": 5})
    status = read_status(tmp_path)
    assert status is not None
    assert (status.supervisor, status.roles, status.ready) == (os.getpid(), {"gateway": 5}, False)
