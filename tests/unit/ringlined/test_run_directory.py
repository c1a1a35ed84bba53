import os
from pathlib import Path

from ringlined.run_directory import LOCK_NAME, PREFIX, run_directory


def test_it_is_private_short_and_gone_afterwards() -> None:
    with run_directory() as path:
        assert path.stat().st_mode & 0o077 == 0
        assert len(os.fsencode(path / "redis.sock")) <= 107
    assert not path.exists()


def test_what_a_killed_stack_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left, being_made, other = (
        tmp_path / f"{PREFIX}left",
        tmp_path / f"{PREFIX}new",
        tmp_path / "x",
    )
    for path in (left, being_made, other):
        path.mkdir()
    (left / LOCK_NAME).touch()
    (other / LOCK_NAME).touch()
    with run_directory(tmp_path) as first, run_directory(tmp_path) as second:
        assert first.is_dir()
        assert second.is_dir()
    assert not left.exists()
    assert being_made.is_dir()
    assert other.is_dir()
