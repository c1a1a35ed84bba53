from pathlib import Path

import pytest

from ringlined.data_directory import InUse, data_directory


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    with data_directory(tmp_path / "a" / "b") as path:
        assert path.stat().st_mode & 0o077 == 0


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    with (
        data_directory(tmp_path),
        pytest.raises(InUse, match=str(tmp_path)),
        data_directory(tmp_path),
    ):
        pass
    with data_directory(tmp_path):
        pass
