"""A moving test picture that carries its own number, and a tone to go with it.

The number stands in the top rows as sixteen blocks of black and white, most significant first, big
enough to survive any codec and rescaling; below moves a shaded bar. All sans-IO, from the number alone.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

WIDTH: Final = 320
HEIGHT: Final = 240
FRAMES_PER_SECOND: Final = 25
SAMPLES_PER_SECOND: Final = 48_000
SAMPLES_PER_FRAME: Final = 960
NUMBER_BITS: Final = 16

_BLACK, _WHITE = 32, 224
_CHIRP_SECONDS: Final = 2
_CHIRP_LOW_HZ, _CHIRP_HIGH_HZ = 300.0, 3000.0

_SHADES = np.linspace(60, 190, WIDTH).astype(np.uint8)


def picture(number: int) -> npt.NDArray[np.uint8]:
    """Frame `number` (modulo 2^16) as RGB, HEIGHT × WIDTH × 3."""
    luma = np.empty((HEIGHT, WIDTH), dtype=np.uint8)
    luma[:] = np.roll(_SHADES, 4 * number)
    block = WIDTH // NUMBER_BITS
    for place in range(NUMBER_BITS):
        bit = number >> (NUMBER_BITS - 1 - place) & 1
        luma[: HEIGHT // 8, place * block : (place + 1) * block] = _WHITE if bit else _BLACK
    return np.repeat(luma[:, :, None], 3, axis=2)


def number_of(luma: npt.NDArray[np.uint8]) -> int:
    """The number that a received picture (height × width) carries."""
    height, width = luma.shape
    # The middle half of each block: its edges are blurred by the codec.
    row = luma[height // 32 : height * 3 // 32].mean(axis=0)
    number = 0
    for place in range(NUMBER_BITS):
        start, stop = (int((place + edge) * width / NUMBER_BITS) for edge in (0.25, 0.75))
        number = number << 1 | int(row[start:stop].mean() > (_BLACK + _WHITE) / 2)
    return number


def sound(number: int) -> npt.NDArray[np.int16]:
    """Samples `number` × 960 and on of an endless chirp, mono, 48 kHz."""
    first = number * SAMPLES_PER_FRAME
    at = np.arange(first, first + SAMPLES_PER_FRAME) % (_CHIRP_SECONDS * SAMPLES_PER_SECOND)
    seconds = at / SAMPLES_PER_SECOND
    sweep = (_CHIRP_HIGH_HZ - _CHIRP_LOW_HZ) / _CHIRP_SECONDS
    phase = 2 * np.pi * (_CHIRP_LOW_HZ * seconds + sweep * seconds**2 / 2)
    return np.asarray(8000 * np.sin(phase), dtype=np.int16)
