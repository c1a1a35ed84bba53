"""Whether a recording is the clip that was sent: pictures frame by frame, and the sound.

Reads both files; no clock of either is trusted. Pictures are matched by their likeness alone: of all
pairings that keep the order, the one with the greatest sum of likenesses of small thumbnails (the
alignment of Needleman and Wunsch, J. Mol. Biol. 48, 1970, without a gap penalty). Matched pictures
are then compared at the recording's size by SSIM. The sound's figure is the greatest normalised
cross-correlation over all shifts up to two seconds.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from ringline.media.errors import MediaUnavailable
from ringline.media.similarity import Luma, ssim

FRAMES_MAX: Final = 3000
"""Two minutes at 25 frames/s; what is longer is compared that far."""
FRAME_FRACTION_MIN: Final = 0.95
MEDIAN_SSIM_MIN: Final = 0.80
AUDIO_CORRELATION_MIN: Final = 0.70

LIKENESS_MIN: Final = 0.7
"""Thumbnails less alike than this are never the same picture."""
SAMPLE_RATE_HZ: Final = 8000
SHIFT_S_MAX: Final = 2.0
_THUMB_WIDTH, _THUMB_HEIGHT = 64, 36
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Signal = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]


class Comparison(Struct, frozen=True, kw_only=True):
    frames_reference: int
    frames_recorded: int
    frames_matched: int
    """Reference frames that came."""
    median_ssim: float
    """Of the matched frames; 0 when there are none."""
    audio_correlation: float
    """0 (or below) to 1; 0 when either has no sound."""

    @property
    def frame_fraction(self) -> float:
        return self.frames_matched / self.frames_reference if self.frames_reference else 0.0

    @property
    def holds(self) -> bool:
        """Whether this is the clip, by all three bars."""
        return (
            self.frame_fraction >= FRAME_FRACTION_MIN
            and self.median_ssim >= MEDIAN_SSIM_MIN
            and self.audio_correlation >= AUDIO_CORRELATION_MIN
        )


def compare(reference: Path, recording: Path) -> Comparison:
    """Blocking: about 20 ms per frame at 640×360. Raise MediaUnavailable when a file is no media."""
    thumbs_reference, thumbs_recording = _thumbnails(reference), _thumbnails(recording)
    pairs = align(likeness(thumbs_reference, thumbs_recording))
    scores = [ssim(first, second) for first, second in _matched(reference, recording, pairs)]
    return Comparison(
        frames_reference=len(thumbs_reference),
        frames_recorded=len(thumbs_recording),
        frames_matched=len(pairs),
        median_ssim=float(np.median(scores)) if scores else 0.0,
        audio_correlation=correlation(_signal(reference), _signal(recording)),
    )


def likeness(first: Matrix, second: Matrix) -> Matrix:
    """SSIM with one window over the whole thumbnail, of every row of one with every row of the other."""
    mean_1, mean_2 = first.mean(axis=1)[:, None], second.mean(axis=1)[None]
    variance_1, variance_2 = first.var(axis=1)[:, None], second.var(axis=1)[None]
    means = mean_1 * mean_2
    covariance = first @ second.T / max(1, first.shape[1]) - means
    score = (2 * means + _C1) * (2 * covariance + _C2)
    return np.asarray(
        score / ((mean_1**2 + mean_2**2 + _C1) * (variance_1 + variance_2 + _C2)), dtype=np.float32
    )


def align(likenesses: Matrix) -> list[tuple[int, int]]:
    """The best pairing of rows with columns that keeps both orders, each used once at most."""
    rows, columns = likenesses.shape
    gains = np.where(likenesses >= LIKENESS_MIN, likenesses, 0)
    best = np.zeros((rows + 1, columns + 1), dtype=np.float64)
    for row in range(rows):
        with_pair = np.maximum(best[row, 1:], best[row, :-1] + gains[row])
        best[row + 1, 1:] = np.maximum.accumulate(with_pair)
    pairs = []
    row, column = rows, columns
    while row and column:
        if best[row, column] == best[row - 1, column]:
            row -= 1
        elif best[row, column] == best[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return pairs[::-1]


def correlation(reference: Signal, recording: Signal) -> float:
    """Greatest over all shifts; the reference counts whole, so missing sound lowers it."""
    if not np.any(reference) or not np.any(recording):
        return 0.0
    size = 1 << (len(reference) + len(recording)).bit_length()
    spectrum = np.fft.rfft(recording, size) * np.conj(np.fft.rfft(reference, size))
    products = np.fft.irfft(spectrum, size)
    energy = np.concatenate(([0.0], np.cumsum(recording.astype(np.float64) ** 2)))
    shift_max = round(SHIFT_S_MAX * SAMPLE_RATE_HZ)
    shifts = np.arange(-min(shift_max, len(reference) - 1), min(shift_max, len(recording) - 1) + 1)
    starts = np.clip(shifts, 0, len(recording))
    stops = np.clip(shifts + len(reference), 0, len(recording))
    overlap = energy[stops] - energy[starts]
    own = float(np.sum(reference.astype(np.float64) ** 2))
    # A sliver of overlap at near silence would divide by almost nothing.
    floor = 0.01 * energy[-1]
    return float(np.max(products[shifts] / np.sqrt(own * np.maximum(overlap, floor))))


def _frames(path: Path) -> Iterator[av.VideoFrame]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return
            for count, frame in enumerate(container.decode(video=0)):
                if count >= FRAMES_MAX:
                    return
                yield frame
    except (av.FFmpegError, OSError) as error:
        raise MediaUnavailable(f"{path} cannot be read: {error}") from None


def _thumbnails(path: Path) -> Matrix:
    """One row per frame."""
    rows = [
        _luma(frame.reformat(_THUMB_WIDTH, _THUMB_HEIGHT, "yuv420p")).ravel()
        for frame in _frames(path)
    ]
    return np.array(rows, dtype=np.float32).reshape(len(rows), _THUMB_WIDTH * _THUMB_HEIGHT)


def _luma(frame: av.VideoFrame) -> Luma:
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _matched(
    reference: Path, recording: Path, pairs: list[tuple[int, int]]
) -> Iterator[tuple[Luma, Luma]]:
    """The matched pictures at the recording's size, one pair in memory at a time."""
    wanted = enumerate(_frames(reference)), enumerate(_frames(recording))
    for row, column in pairs:
        first = next(frame for number, frame in wanted[0] if number == row)
        second = next(frame for number, frame in wanted[1] if number == column)
        scaled = first.reformat(second.width, second.height, "yuv420p")
        yield _luma(scaled), _luma(second.reformat(format="yuv420p"))


def _signal(path: Path) -> Signal:
    """The sound, mono at 8 kHz, without its mean."""
    pieces: list[Signal] = []
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return np.zeros(0, dtype=np.float32)
            for frame in container.decode(audio=0):
                pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    except (av.FFmpegError, OSError) as error:
        raise MediaUnavailable(f"{path} cannot be read: {error}") from None
    pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    signal = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
    limit = signal[: round(FRAMES_MAX / 25 * SAMPLE_RATE_HZ)]
    return limit - limit.mean() if len(limit) else limit
