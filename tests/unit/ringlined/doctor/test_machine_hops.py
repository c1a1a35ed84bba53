from pathlib import Path

import pytest

from backplane.registry.settings import RegistrySettings
from ringlined.doctor import machine_hops as module
from ringlined.doctor.machine_hops import check_disk, check_redis
from ringlined.trial.program import StepFailed


async def test_a_disk_with_room_takes_a_write_and_keeps_nothing(tmp_path: Path) -> None:
    figures = await check_disk(tmp_path)
    assert figures["free_mib"] > 0
    assert list(tmp_path.iterdir()) == []


async def test_little_room_is_a_warning_and_hardly_any_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "FREE_MIB_WARN", 2**40)
    assert "MiB are free" in (await check_disk(tmp_path))["warning"]
    monkeypatch.setattr(module, "FREE_MIB_MIN", 2**40)
    with pytest.raises(StepFailed, match="MiB left"):
        await check_disk(tmp_path)


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="is not there"):
        await check_disk(tmp_path / "nowhere")


async def test_a_refused_write_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(data: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_probe", full)
    with pytest.raises(StepFailed, match="takes no writes: No space left"):
        await check_disk(tmp_path)


async def test_a_redis_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = RegistrySettings(url=f"unix://{tmp_path}/none.sock")
    with pytest.raises(StepFailed, match="Redis does not answer"):
        await check_redis(gone)


async def test_one_process_needs_none() -> None:
    assert "without Redis" in (await check_redis(None))["shape"]
