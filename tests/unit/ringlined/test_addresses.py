import msgspec
import pytest

from ringlined.addresses import admin_urls, media_addresses, url
from ringlined.config import load_config
from tests.unit.ringlined.test_embedded import with_gateway


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_urls_are_those_of_this_machine(host: str, expected: str) -> None:
    assert url(with_gateway(host=host)) == expected


def test_tls_shows_in_the_url() -> None:
    config = with_gateway(certificate_file="c.pem", private_key_file="k.pem")
    assert url(config).startswith("https://")


def test_every_role_has_its_admin_url() -> None:
    assert admin_urls(load_config(None)) == {
        "gateway": "http://127.0.0.1:9090",
        "sfu": "http://127.0.0.1:9091",
        "turn": "http://127.0.0.1:9092",
    }


def test_media_addresses_are_those_of_the_sockets() -> None:
    config = load_config(None)
    relay = msgspec.structs.replace(config.relay, host="::1")
    changed = msgspec.structs.replace(config, relay=relay)
    assert media_addresses(changed) == {"sfu": "127.0.0.1:3480", "turn": "[::1]:3478"}
