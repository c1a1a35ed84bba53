from pathlib import Path

import pytest

from ringline.command.media_source import MixedSource, open_source
from ringline.media.errors import MediaUnavailable
from ringline.media.sources import Source, TestSource


def source(video: str, audio: str | None = None, voice: bool = False) -> Source | None:
    return open_source(video, audio, voice=voice, max_height=None)


async def test_words_name_sources() -> None:
    test = source("test")
    assert isinstance(test, TestSource)
    await test.close()
    assert source("none") is None
    assert source("none", "none") is None


async def test_sound_and_pictures_may_come_from_two() -> None:
    mixed = source("none", "test")
    assert isinstance(mixed, MixedSource)
    assert mixed.audio is not None
    assert mixed.video is None
    await mixed.close()
    silent = source("test", "none")
    assert silent is not None
    assert silent.audio is None
    assert silent.video is not None
    await silent.close()


async def test_a_voice_call_opens_sound_alone() -> None:
    assert source("test", "none", voice=True) is None
    voice = source("none", "test", voice=True)
    assert isinstance(voice, TestSource)
    await voice.close()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"not a film")
    with pytest.raises(MediaUnavailable):
        source(str(tmp_path / "x.mp4"))
    with pytest.raises(MediaUnavailable):
        source("device:/dev/no-camera")
