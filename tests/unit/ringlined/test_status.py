import os
import subprocess
from pathlib import Path

from ringlined.status import NAME, Status, read_status, remove_status, write_status


def status(pid: int) -> Status:
    return Status(
        supervisor=pid,
        roles={"gateway": 2},
        url="http://127.0.0.1:8080",
        admin_url="http://127.0.0.1:9090",
        admin_urls={"gateway": "http://127.0.0.1:9090"},
        media={"sfu": "127.0.0.1:3480", "turn": "127.0.0.1:3478"},
        redis="",
        config_file="",
        lan=False,
        ready=True,
    )


def test_it_is_read_back(tmp_path: Path) -> None:
    write_status(tmp_path, status(os.getpid()))
    assert read_status(tmp_path) == status(os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    remove_status(tmp_path)
    assert read_status(tmp_path) is None


def test_the_note_of_a_dead_stack_counts_for_nothing(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    write_status(tmp_path, status(gone.pid))
    assert read_status(tmp_path) is None


def test_a_broken_note_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    assert read_status(tmp_path) is None
