"""How strong the noise in one sample is, estimated from the sample alone.

Next door: `noise` asks for it where nobody gives a level.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pywt
import scipy  # whose parts are loaded when they are first used

Doubles = npt.NDArray[np.float64]
LEAST_SIDE = 8  # of a sample; smaller ones have too few wavelet coefficients
SMALL_SIDE = 64  # of a sample in which a ground is looked for
FLAT = 0.2  # of the places, those with the least structure, decide
FEW = 50  # places, at least
VISIBLE = 0.3  # of the noise has to be left at a place that counts
GROUND = (0.2, 0.5)  # shares of values at the end of the range that tell of a ground there
LOW, HIGH, HALVINGS = 1e-4, 2.0, 30
_MEANS = np.linspace(0, 1, 201)


def deviation(sample: Doubles) -> float:
    """The standard deviation of Gaussian noise in a sample `(C, H, W)` in 0..1; 0 for samples that are too small.

    It is that of the finest diagonal wavelet coefficients (Donoho and Johnstone, Biometrika 81, 1994) at the places
    where the horizontal and vertical ones are smallest. Where noise was clipped to 0..1, as in image files, less of
    it is left near both ends: each place counts by what would be left of the noise there. In small samples with many
    values at an end, as on the black ground of a digit, the others near that end tell more.
    """
    if min(sample.shape[1:]) < LEAST_SIDE:
        return 0.0
    ends = bool(sample.min() >= 0 and sample.max() <= 1)
    found = _on_ground(sample) if ends and max(sample.shape[1:]) <= SMALL_SIDE else None
    return _of_wavelets(sample, ends) if found is None else found


def _on_ground(sample: Doubles) -> float | None:
    """The noise on a ground at one end of the range, where half of it was clipped; None if there is no ground."""
    for depth in (sample, 1 - sample):
        share = float((depth <= 1e-6).mean())
        if GROUND[0] < share < GROUND[1]:
            # Of the values of the ground, so many lie within one deviation of it.
            return float(np.quantile(depth, 2 * share * float(scipy.special.ndtr(1.0))))
    return None


def _of_wavelets(sample: Doubles, clipped: bool) -> float:
    details, structure, means = [], [], []
    for channel in sample:
        smooth, (across, down, diagonal) = pywt.dwt2(channel, "db2", mode="symmetric")
        details.append(diagonal.ravel())
        structure.append(scipy.ndimage.uniform_filter(across**2 + down**2, 5).ravel())
        means.append(scipy.ndimage.uniform_filter(smooth / 2, 3).ravel())
    detail, rough, mean = map(np.concatenate, (details, structure, means))

    def excess(deviation: float) -> float:
        """How much larger the coefficients are than such noise would make them."""
        left = np.interp(mean, *_clipped(deviation)) if clipped else np.full(len(mean), deviation)
        seen = left > VISIBLE * deviation
        if seen.sum() < max(FEW, len(left) // 50):
            seen = left >= np.quantile(left, 0.7)
        detail_, rough_, left_ = detail[seen], rough[seen], left[seen]
        count = max(FEW, int(FLAT * len(left_)))
        if count < len(left_):
            flat = np.argpartition(rough_ / left_**2, count)[:count]
            detail_, left_ = detail_[flat], left_[flat]
        return float(np.square(detail_ / left_).mean())

    low, high = LOW, HIGH
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if excess(middle) > 1 else (low, middle)
    return low if low > LOW else 0.0


def _clipped(deviation: float) -> tuple[Doubles, Doubles]:
    """Mean and deviation of Gaussian noise around `_MEANS` after it was clipped to 0..1."""
    below, above = -_MEANS / deviation, (1 - _MEANS) / deviation
    inside, top = scipy.special.ndtr(above) - scipy.special.ndtr(below), scipy.special.ndtr(-above)
    dense_below, dense_above = (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) for z in (below, above))
    first = _MEANS * inside + deviation * (dense_below - dense_above) + top
    second = (_MEANS**2 + deviation**2) * inside + top
    second += deviation * (_MEANS * dense_below - (1 + _MEANS) * dense_above)
    return first, np.sqrt(np.maximum(second - first**2, 1e-12))
