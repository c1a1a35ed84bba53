"""The configuration that a private stack gets, and its ports."""

import tomllib
from pathlib import Path

from loadtest.certificate import make_certificate
from loadtest.stack import Stack, configuration, free_ports


def test_the_configuration_is_toml_with_the_changes_on_top() -> None:
    text = configuration(
        Path("/data dir"), (1, 2), {"gateway": {"port": 3}, "registry": {"url": "unix:///a"}}
    )
    tables = tomllib.loads(text)
    assert tables["environment"] == "development"
    assert tables["storage"] == {"directory": "/data dir"}
    assert (tables["gateway"]["port"], tables["gateway"]["admin_port"]) == (3, 2)
    assert tables["registry"] == {"url": "unix:///a"}
    assert tables["messaging"]["test_prefix"] == "+1"
    assert tables["messaging"]["limits"]["tokens_per_address_minute"] == 1_000_000


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_stack_that_was_not_started_has_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    assert stack.processes() == []
    assert stack.role("gateway") is None
    assert stack.redis_socket() is None
    assert stack.base == f"http://127.0.0.1:{stack.port}"


def test_tls_changes_the_scheme(tmp_path: Path) -> None:
    assert Stack(tmp_path, tls=make_certificate(tmp_path)).base.startswith("https://")
