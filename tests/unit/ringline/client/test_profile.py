import stat
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from ringline.client.errors import ProfileDamaged
from ringline.client.profile import BadProfileName, Profile, profile_directory


def test_a_name_is_a_folder_of_the_users() -> None:
    expected = platformdirs.user_data_path("ringline") / "profiles" / "ann"
    assert profile_directory("ann") == expected


def test_a_path_is_itself(tmp_path: Path) -> None:
    assert profile_directory(str(tmp_path / "x")) == tmp_path / "x"
    assert profile_directory(tmp_path) == tmp_path
    assert profile_directory("./x") == Path("x")
    assert profile_directory("~/x") == Path.home() / "x"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a\x00", "a" * 65])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadProfileName):
        profile_directory(name)


def test_the_folder_is_private(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "deep" / "ann")
    assert stat.S_IMODE(profile.directory.stat().st_mode) == 0o700


def test_one_process_at_a_time(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    assert profile.claim()
    assert profile.claim(), "again by the same"
    other = (
        "import sys, pathlib; from ringline.client.profile import Profile;"
        "sys.exit(0 if Profile(pathlib.Path(sys.argv[1])).claim() else 3)"
    )
    command = [sys.executable, "-c", other, str(tmp_path)]
    assert subprocess.run(command, timeout=30, check=False).returncode == 3
    profile.release()
    assert subprocess.run(command, timeout=30, check=False).returncode == 0
    profile.release()


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileDamaged):
        Profile(tmp_path / "file" / "x")
