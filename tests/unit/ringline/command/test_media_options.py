from pathlib import Path

import pytest

from ringline.command.media_options import MediaOptions, default_host_addresses
from ringline.media.errors import MediaUnavailable


def options(
    video: str = "test",
    audio: str | None = None,
    voice: bool = False,
    record: Path | None = None,
) -> MediaOptions:
    return MediaOptions(
        video=video,
        audio=audio,
        voice=voice,
        record=record,
        max_height=None,
        host_addresses=None,
    )


@pytest.mark.parametrize(
    ("server", "hosts"),
    [
        ("http://127.0.0.1:8080", ["127.0.0.1"]),
        ("http://localhost:8080", ["127.0.0.1"]),
        ("http://[::1]:8080", ["127.0.0.1"]),
        ("https://ringline.example", None),
        ("http://192.0.2.1", None),
    ],
)
def test_loopback_serves_loopback(server: str, hosts: list[str] | None) -> None:
    assert default_host_addresses(server) == hosts


def test_files_are_looked_at_before_anybody_is_called(tmp_path: Path) -> None:
    options().check()
    options("none", "device:hw:0").check()
    (tmp_path / "clip.mp4").write_bytes(b"")
    options(str(tmp_path / "clip.mp4")).check()
    with pytest.raises(MediaUnavailable, match="no file"):
        options(str(tmp_path / "other.mp4")).check()
    with pytest.raises(MediaUnavailable, match="no file"):
        options(audio="typo").check()
    with pytest.raises(MediaUnavailable, match="no folder"):
        options(record=tmp_path / "gone" / "x.mkv").check()


def test_whether_anything_is_sent() -> None:
    assert options().sends
    assert options("none", "test").sends
    assert not options("none").sends
    assert not options("none", "none").sends


def test_each_call_has_its_recording() -> None:
    assert options().recording(1) is None
    recorded = options(record=Path("a/b.mkv"))
    assert [recorded.recording(n) for n in (1, 2)] == [Path("a/b.mkv"), Path("a/b-2.mkv")]


async def test_the_factory_makes_media_each_time() -> None:
    make = options("none").factory("http://127.0.0.1", None)
    one, other = make(), make()
    assert one is not other
    assert b"127.0.0.1" in await one.offer()
    await one.close()
    await other.close()
