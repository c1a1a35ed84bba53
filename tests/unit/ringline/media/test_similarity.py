"""Our SSIM against scikit-image's, and its plain properties."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import structural_similarity

from ringline.media.similarity import ssim

Picture = npt.NDArray[np.uint8]


@pytest.fixture
def picture() -> Picture:
    x, y = np.meshgrid(np.arange(160), np.arange(90))
    return np.asarray(127 + 60 * np.sin(x / 7) + 60 * np.cos(y / 5), dtype=np.uint8)


def scikit_images(first: Picture, second: Picture) -> float:
    measure: Any = structural_similarity
    return float(measure(first, second, win_size=7, use_sample_covariance=False, data_range=255))


def noisy(picture: Picture, strength: float) -> Picture:
    noise = np.random.default_rng(7).normal(0, strength, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("strength", [0, 3, 20, 90])
def test_it_agrees_with_scikit_image(picture: Picture, strength: float) -> None:
    other = noisy(picture, strength)
    assert ssim(picture, other) == pytest.approx(scikit_images(picture, other), abs=1e-4)


def test_extremes_agree_too() -> None:
    black, white = np.zeros((720, 1280), np.uint8), np.full((720, 1280), 255, np.uint8)
    assert ssim(black, white) == pytest.approx(scikit_images(black, white), abs=1e-4)
    assert ssim(white, white) == pytest.approx(1, abs=1e-4)


def test_it_is_symmetric_and_falls_with_noise(picture: Picture) -> None:
    little, much = noisy(picture, 5), noisy(picture, 50)
    assert ssim(picture, little) == pytest.approx(ssim(little, picture))
    assert 1 > ssim(picture, little) > ssim(picture, much)


@pytest.mark.parametrize("shape", [(90, 159), (6, 6)])
def test_pictures_that_cannot_be_compared_are_refused(
    picture: Picture, shape: tuple[int, int]
) -> None:
    other = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="one size"):
        ssim(picture if shape[0] == 90 else other, other)
