from typing import Any

import msgspec
import pytest

from backplane.registry.settings import RegistrySettings
from ringline.protocol import limits


def read(**values: Any) -> RegistrySettings:
    return msgspec.convert(values, RegistrySettings)


def test_defaults() -> None:
    settings = read()
    assert settings.url == "redis://127.0.0.1:6379/0"
    assert settings.deadline_ms == 2000
    assert settings.presence_lease_s == limits.PRESENCE_LEASE_S


@pytest.mark.parametrize("url", ["redis://h:1/2", "rediss://h", "unix:///run/redis.sock"])
def test_urls_that_are_taken(url: str) -> None:
    assert read(url=url).url == url


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://h"},
        {"url": ""},
        {"key_prefix": "a{b}"},
        {"key_prefix": ""},
        {"deadline_ms": 0},
        {"presence_lease_s": 0},
        {"connections_max": 0},
        {"bus_outgoing_messages_max": 0},
        {"bus_reconnect_s_max": 0},
        {"unheard_of": 1},
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**wrong)
