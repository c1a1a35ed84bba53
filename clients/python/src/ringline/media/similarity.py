"""How like two pictures are: structural similarity (SSIM).

Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment: From Error Visibility to Structural
Similarity, IEEE Trans. Image Processing 13(4), 2004, eq. 13, K1 = 0.01, K2 = 0.03, L = 255, on luma.
The window is a uniform 7×7 square (the paper's Gaussian costs five times as much in numpy and ranks
pictures alike); window sums come from summed-area tables.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]
"""Height × width, 0–255."""

WINDOW: Final = 7
_C1: Final = np.float32((0.01 * 255) ** 2)
_C2: Final = np.float32((0.03 * 255) ** 2)


def ssim(first: Luma, second: Luma) -> float:
    """Mean SSIM, −1 to 1, over all windows that lie inside. Raise ValueError on unlike shapes."""
    if first.shape != second.shape or min(first.shape) < WINDOW:
        raise ValueError("pictures of one size, at least 7×7, are needed")
    x, y = first.astype(np.uint32), second.astype(np.uint32)
    area = np.float32(WINDOW * WINDOW)
    mean_x, mean_y = _sums(x) / area, _sums(y) / area
    both = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = _sums(x * y) / area - both
    variances = _sums(x * x + y * y) / area - squares
    score = (2 * both + _C1) * (2 * covariance + _C2)
    score /= (squares + _C1) * (variances + _C2)
    return float(score.mean(dtype=np.float64))


def _sums(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.float32]:
    """The sum of every WINDOW × WINDOW square."""
    # The table may wrap around at 2^32: a window's sum is below that, so differences are right.
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), dtype=np.uint32)
    np.cumsum(values, axis=0, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    across = table[:, WINDOW:] - table[:, :-WINDOW]
    sums: npt.NDArray[np.uint32] = across[WINDOW:] - across[:-WINDOW]
    return sums.astype(np.float32)
