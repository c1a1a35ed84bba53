import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ringlined.config import TEST_NUMBERS, ConfigError, is_loopback, load_config, names_redis
from ringlined.config_text import default_text

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "ringline.toml"
        path.write_text(text)
        return path

    return write


def test_without_a_file_it_is_development_on_loopback() -> None:
    config = load_config(None)
    assert config.environment == "development"
    assert is_loopback(config.gateway.host)
    assert config.messaging.allow_unsealed
    assert config.messaging.test_numbers == TEST_NUMBERS


def test_production_has_none_of_developments_ease(write: Write) -> None:
    config = load_config(write('environment = "production"'))
    assert not config.messaging.allow_unsealed
    assert config.messaging.test_numbers == {}
    assert config.messaging.test_prefix == ""
    assert not config.messaging.log_codes


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("colour = 1", "colour"),
        ("[gateway]\nprot = 1", "gateway"),
        ("[gateway]\nprot = 1", "prot"),
        ('[gateway]\nport = "x"', "gateway.port"),
        ("[gateway]\nport = 70000", "gateway.port"),
        ("[messaging.limits]\ncodes = 1", "messaging.limits"),
        ('environment = "testing"', "environment"),
        ("[registry]\nurl = 'http://x'", "registry"),
        ("gateway = 1", "gateway"),
    ],
)
def test_a_wrong_key_is_named(write: Write, text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        load_config(write(text))


@pytest.mark.parametrize("text", ["[gateway", "a = ", "a = 1\na = 2"])
def test_what_is_no_toml_is_refused(write: Write, text: str) -> None:
    with pytest.raises(ConfigError, match=r"ringline\.toml"):
        load_config(write(text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "nothing.toml")


def test_the_command_line_wins_over_the_file(write: Write) -> None:
    path = write("[gateway]\nport = 1000\nadmin_port = 1001")
    config = load_config(path, {"gateway": {"port": 2000}})
    assert (config.gateway.port, config.gateway.admin_port) == (2000, 1001)


def test_the_file_wins_over_developments_defaults(write: Write) -> None:
    config = load_config(write("[messaging]\nallow_unsealed = false\ntest_numbers = {}"))
    assert not config.messaging.allow_unsealed
    assert config.messaging.test_numbers == {}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_development_listens_on_loopback_only(write: Write, host: str) -> None:
    path = write(f'[gateway]\nhost = "{host}"')
    with pytest.raises(ConfigError, match=r"gateway\.host"):
        load_config(path)
    assert load_config(path, lan=True).gateway.host == host


def test_lan_listens_everywhere_but_the_administrative_port(write: Write) -> None:
    config = load_config(None, lan=True)
    assert config.gateway.host == "0.0.0.0"
    assert is_loopback(config.gateway.admin_host)
    with pytest.raises(ConfigError, match=r"gateway\.admin_host"):
        load_config(write('[gateway]\nadmin_host = "0.0.0.0"'), lan=True)


@pytest.mark.parametrize(
    "key", ['test_numbers = {"+12025550111" = "111111"}', 'test_prefix = "+1"', "log_codes = true"]
)
def test_production_refuses_what_is_for_development(write: Write, key: str) -> None:
    text = f'environment = "production"\n[messaging]\n{key}'
    with pytest.raises(ConfigError, match=key.split(maxsplit=1)[0]):
        load_config(write(text))


def test_references_are_resolved(write: Write, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("redis://:x@example.org/0\n")
    text = f'environment = "production"\n[registry]\nurl = "file:{secret}"\n[gateway]\nnode = "env:NODE"'
    config = load_config(write(text), variables={"NODE": "one"})
    assert config.registry.url == "redis://:x@example.org/0"
    assert config.gateway.node == "one"


@pytest.mark.parametrize("reference", ["env:NOTHING", "file:/nowhere/at/all"])
def test_a_reference_to_nothing_is_named(write: Write, reference: str) -> None:
    with pytest.raises(ConfigError, match=r"registry\.url"):
        load_config(write(f'[registry]\nurl = "{reference}"'), variables={})


def test_production_wants_secrets_as_references(write: Write) -> None:
    url = "redis://:hunter2@example.org/0"
    with pytest.raises(ConfigError, match=r"registry\.url") as caught:
        load_config(write(f'environment = "production"\n[registry]\nurl = "{url}"'))
    assert "hunter2" not in str(caught.value)


def test_whether_a_redis_is_named(write: Write) -> None:
    assert not names_redis(None)
    assert not names_redis(write("[gateway]\nport = 1"))
    assert names_redis(write('[registry]\nurl = "redis://127.0.0.1/0"'))


def test_the_printed_file_is_right_and_reads_back(write: Write) -> None:
    text = default_text()
    assert load_config(write(text)) == load_config(None)
    everything = re.sub(r"(?m)^#(?=[a-z_]+ = )", "", text)
    assert everything.count("\nport = ") == 2  # the gateway's and the relay's
    production = everything.replace('"development"', '"production"')
    empty = write('environment = "production"')
    assert load_config(empty) == load_config(write(production))


def test_every_key_of_every_table_is_in_the_printed_file() -> None:
    text = default_text()
    for key in ("host", "allow_unsealed", "directory", "url", "log_level", "codes_per_hour"):
        assert f"#{key} = " in text
    for table in (
        "gateway",
        "messaging",
        "messaging.limits",
        "storage",
        "registry",
        "telemetry",
    ):
        assert f"[{table}]" in text
    assert "# The address to listen on." in text


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("relay", "secret"),
        ("relay", "previous_secret"),
        ("gateway", "ticket_private_key"),
        ("gateway", "operator_token"),
    ],
)
def test_production_takes_secrets_by_reference_only(write: Write, table: str, key: str) -> None:
    text = f'environment = "production"\n[{table}]\n{key} = "hunter2"'
    with pytest.raises(ConfigError, match=rf"{table}\.{key}") as caught:
        load_config(write(text))
    assert "hunter2" not in str(caught.value)
    referred = write(text.replace("hunter2", "env:SECRET"))
    config = load_config(referred, variables={"SECRET": "hunter2"})
    assert getattr(getattr(config, table), key) == "hunter2"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("sfu", "media_host"),
        ("sfu", "signalling_host"),
        ("sfu", "admin_host"),
        ("relay", "host"),
        ("relay", "admin_host"),
    ],
)
def test_development_keeps_every_role_on_loopback(write: Write, table: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{table}\.{key}"):
        load_config(write(f'[{table}]\n{key} = "192.0.2.7"'))


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize(("table", "key"), [("sfu", "media_host"), ("relay", "host")])
def test_media_needs_an_address_of_its_own(
    write: Write, environment: str, table: str, key: str
) -> None:
    text = f'environment = "{environment}"\n[{table}]\n{key} = "0.0.0.0"'
    with pytest.raises(ConfigError, match=rf"{table}.*(specific|one) address"):
        load_config(write(text), lan=True)


def test_private_peers_are_for_development(write: Write) -> None:
    assert load_config(None).relay.allow_private_peers
    assert not load_config(write('environment = "production"')).relay.allow_private_peers
    with pytest.raises(ConfigError, match=r"relay\.allow_private_peers"):
        load_config(write('environment = "production"\n[relay]\nallow_private_peers = true'))


def test_references_in_lists_are_resolved(write: Write) -> None:
    path = write('[sfu]\nticket_public_keys = ["env:ONE", "plain"]')
    config = load_config(path, variables={"ONE": "first"})
    assert config.sfu.ticket_public_keys == ("first", "plain")
