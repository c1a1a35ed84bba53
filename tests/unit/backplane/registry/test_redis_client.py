"""What the client makes of Redis's answers, and the scripts it carries."""

import re
from importlib.resources import files

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backplane.registry.redis_client import PIPELINE_CALLS_MAX, RedisClient, Script, is_world_error
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics

SCRIPTS = sorted(
    item.name.removesuffix(".lua") for item in files("backplane.registry").joinpath("lua").iterdir()
)


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("reset"),
        RedisTimeoutError("slow"),
        TimeoutError(),
        ConnectionRefusedError(),
        AuthenticationError("wrong"),
        BusyLoadingError("loading"),
        ClusterDownError("down"),
        MasterDownError("down"),
        OutOfMemoryError("command not allowed"),
        ReadOnlyError("replica"),
        ResponseError("MISCONF cannot persist"),
        ResponseError("BUSY running a script"),
    ],
    ids=repr,
)
def test_the_worlds_errors(error: Exception) -> None:
    assert is_world_error(error)


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("WRONGTYPE Operation against a key"),
        ResponseError("unknown command"),
        ClusterCrossSlotError("keys"),
        NoScriptError("none"),
        KeyError("x"),
    ],
    ids=repr,
)
def test_mistakes_of_ours(error: Exception) -> None:
    assert not is_world_error(error)


def test_there_are_scripts() -> None:
    assert "acquire" in SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_says_what_it_takes(name: str) -> None:
    text = Script(name).text.decode()
    assert re.match(r"-- [A-Z].*\n(-- .*\n)*?-- KEYS", text)
    assert ("ARGV[" in text or "(ARGV)" in text) == bool(re.search(r"^-- ARGV", text, re.M))
    assert ("return" in text) == ("-- Answers" in text)


async def test_a_key_begins_with_the_prefix() -> None:
    client = RedisClient(RegistrySettings(key_prefix="here"), Metrics())
    assert client.key("presence", "{a}", 5) == "here:presence:{a}:5"
    await client.shut()


async def test_a_long_list_goes_in_several_pipelines(redis_url: str) -> None:
    client = RedisClient(RegistrySettings(url=redis_url), Metrics())
    calls = [([client.key("limit", n)], (1, 5, 60_000)) for n in range(PIPELINE_CALLS_MAX + 3)]
    assert await client.run_each("limit_spend", calls) == [[]] * len(calls)
    assert await client.run_each("limit_spend", []) == []
    await client.shut()


async def test_publishing_reaches_a_real_server(redis_url: str) -> None:
    client = RedisClient(RegistrySettings(url=redis_url), Metrics(), connections_max=1)
    await client.publish([("one", b"a"), ("two", b"b")])
    assert await client.command("PING") is True
    await client.shut()
