import os
from pathlib import Path

import msgspec
import pytest

from ringlined.doctor.installation import Wish, find_installation
from ringlined.status import write_status
from ringlined.trial.program import StepFailed
from tests.unit.ringlined.test_status import status


def test_a_running_stack_is_found_by_its_note(tmp_path: Path) -> None:
    config = tmp_path / "ringline.toml"
    config.write_text("[relay]\nrealm = 'mine'")
    note = msgspec.structs.replace(
        status(os.getpid()), redis="unix:///run/r.sock", config_file=str(config)
    )
    write_status(tmp_path, note)
    found = find_installation(Wish(data=tmp_path))
    assert found.server == note.url
    assert found.admin == note.admin_urls
    assert found.config.relay.realm == "mine"
    assert found.config.storage.directory == str(tmp_path)
    assert found.redis is not None
    assert found.redis.url == "unix:///run/r.sock"
    assert found.is_local


def test_a_stack_in_one_process_has_no_redis(tmp_path: Path) -> None:
    write_status(tmp_path, msgspec.structs.replace(status(os.getpid()), roles={}))
    assert find_installation(Wish(data=tmp_path)).redis is None


def test_a_configured_redis_is_the_configurations(tmp_path: Path) -> None:
    config = tmp_path / "ringline.toml"
    config.write_text("[registry]\nurl = 'redis://192.0.2.1/0'\n[gateway]\nport = 9999")
    found = find_installation(Wish(data=tmp_path, config_file=config))
    assert (found.server, found.is_local) == ("http://127.0.0.1:9999", False)
    assert found.redis is not None
    assert found.redis.url == "redis://192.0.2.1/0"


def test_the_data_directory_of_the_configuration_is_looked_at(tmp_path: Path) -> None:
    write_status(tmp_path, status(os.getpid()))
    config = tmp_path / "ringline.toml"
    config.write_text(f"[storage]\ndirectory = '{tmp_path}'")
    assert find_installation(Wish(config_file=config)).is_local


def test_the_servers_own_name_wins(tmp_path: Path) -> None:
    write_status(tmp_path, status(os.getpid()))
    wish = Wish(data=tmp_path, server="https://ringline.example")
    assert find_installation(wish).server == "https://ringline.example"


def test_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no stack runs on") as caught:
        find_installation(Wish(data=tmp_path))
    assert "ringlined up" in caught.value.advice


def test_a_stack_that_is_still_starting_is_waited_for(tmp_path: Path) -> None:
    write_status(tmp_path, msgspec.structs.replace(status(os.getpid()), ready=False))
    with pytest.raises(StepFailed, match="still starting"):
        find_installation(Wish(data=tmp_path))


def test_a_refused_configuration_is_told_by_its_key(tmp_path: Path) -> None:
    config = tmp_path / "ringline.toml"
    config.write_text("[relay]\nport = 'x'")
    with pytest.raises(StepFailed, match=r"relay\.port") as caught:
        find_installation(Wish(config_file=config))
    assert "ringlined config" in caught.value.advice
