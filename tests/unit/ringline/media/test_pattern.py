"""The number survives what a call does to a picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringline.media import pattern


@settings(max_examples=50, deadline=None)
@given(number=st.integers(0, 2**16 - 1))
def test_the_number_can_be_read_back(number: int) -> None:
    assert pattern.number_of(pattern.picture(number)[:, :, 0]) == number


@pytest.mark.parametrize("number", [0, 1, 0x5555, 0xFFFF])
def test_noise_and_half_the_size_do_not_matter(number: int) -> None:
    luma = pattern.picture(number)[::2, ::2, 0].astype(np.float64)
    noise = np.random.default_rng(1).normal(0, 25, luma.shape)
    assert pattern.number_of(np.clip(luma + noise, 0, 255).astype(np.uint8)) == number


def test_pictures_move() -> None:
    assert not np.array_equal(pattern.picture(1)[60:], pattern.picture(2)[60:])


def test_the_sound_goes_on_without_a_seam() -> None:
    samples = np.concatenate([pattern.sound(number) for number in range(3)]).astype(int)
    assert len(samples) == 3 * pattern.SAMPLES_PER_FRAME
    assert np.abs(np.diff(samples)).max() < 8000 * 2 * np.pi * 500 / 48_000, "300 Hz and rising"
    assert samples.max() > 7900
