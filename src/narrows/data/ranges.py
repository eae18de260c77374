"""The range of values that becomes 0..1 inside the networks. Next door: `samples` keeps it in its description."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.errors import DataError
from narrows.io.arrays import Array, Ragged
from narrows.io.cache import release

CHUNK_BYTES = 64 << 20  # of a set that are processed at a time
UNLIKE = 16  # times the range of the narrowest column: from there on each is scaled by its own
FAR_OFF = 256  # so much farther from 0 than it is wide is a channel unlike itself
Ends = npt.NDArray[np.float64]
MOST_VALUE = float(np.finfo(np.float64).max)


def usual_range(values: Array | Ragged, source: str) -> tuple[float, float, tuple[tuple[float, float], ...]]:
    """The range that becomes 0..1: that of the dtype for uint8 and uint16, 0..1 for floats inside it, else from the
    smallest to the largest value; and that of each column of vectors `(N, D)`, where the widest is many times the
    narrowest. Raises `DataError` for NaN and infinities."""
    if values.dtype.name in ("uint8", "uint16"):
        return 0.0, float(np.iinfo(values.dtype).max), ()
    least, most = ends_of(values, source)
    low, high = float(least.min()), float(most.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0, ()
    if high - low == float("inf"):
        raise DataError(f"{source}: values from {low:g} to {high:g} are too far apart; scale them")
    spans = most - least
    columns: tuple[tuple[float, float], ...] = ()
    if len(spans) > 1 and (spans > 0).any() and spans.max() >= UNLIKE * spans[spans > 0].min():
        ends = np.where(spans > 0, most, least + np.maximum(1.0, np.abs(least)))
        columns = tuple(zip(least.tolist(), ends.tolist(), strict=True))
    # All values equal: any range that is not empty will do, also where low + 1 is low.
    return low, high if high > low else low + max(1.0, abs(low)), columns


def around_silence(values: Array | Ragged, source: str) -> tuple[float, float, tuple[tuple[float, float], ...]]:
    """The range of signals that becomes 0..1: from 0 for unsigned ones, else as far below 0 as above it, to a power
    of 2 that holds them all, at least 1. Others like these may be louder, so it is not the very largest. Where
    channels are unlike, or one of them varies little beside its distance from 0, also the range of each."""
    least, most = ends_of(values, source)
    peak = max(float(most.max()), -float(least.min()), 1.0)
    if peak > MOST_VALUE / 4:
        raise DataError(f"{source}: values up to {peak:g} are too large; scale them")
    bound = 2.0 ** math.ceil(math.log2(peak))
    spans = (most - least)[most > least]
    unlike = len(least) > 1 and spans.size and max(spans.max(), bound / FAR_OFF) >= UNLIKE * spans.min()
    columns = own_ranges(least, most, values.dtype) if unlike else ()
    return (0.0 if values.dtype.kind == "u" else -bound), bound, columns


def own_ranges(least: Ends, most: Ends, dtype: np.dtype[Any]) -> tuple[tuple[float, float], ...]:
    """The range of each channel that becomes 0..1: about the middle of its values, which lie between `least` and
    `most`, to a power of 2 that holds them, within the dtype. A channel that has no values may have any."""
    least, most = np.where(least > most, 0.0, least), np.where(least > most, 0.0, most)
    half = most / 2 - least / 2
    reach = 2.0 ** np.ceil(np.log2(np.where(half > 0, half, np.maximum(1.0, np.abs(least)))))
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    middle = least / 2 + most / 2
    lows = np.maximum(np.minimum(least, middle - reach), float(limits.min))
    highs = np.minimum(np.maximum(most, middle + reach), float(limits.max))
    return tuple(zip(lows.tolist(), highs.tolist(), strict=True))


def ends_of(values: Array | Ragged, source: str) -> tuple[Ends, Ends]:
    """The smallest and the largest value, `(D,)` or `(C,)`, of each column of vectors and channel of signals, or
    `(1,)` of images, in one pass."""
    array, each = values, 1
    if isinstance(values, Ragged):
        each = int(values.shapes[0, -1]) if values.shapes.shape[1] == 2 else 1
        array = values.flat.reshape(-1, each)
    elif values.ndim == 3 and len(values) == 1:
        array = values[0]  # one long signal, in parts of its length
    assert isinstance(array, np.ndarray)
    axes = tuple(range(array.ndim - 1)) if array.ndim < 4 else None
    least = np.full(1 if axes is None else array.shape[-1], np.inf)
    most = -least
    rows = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            where = start + int(np.argwhere(~np.isfinite(part))[0, 0])
            if isinstance(values, Ragged):
                where = int(np.searchsorted(values.starts, where * each, side="right")) - 1
            raise DataError(f"{source}: NaN or infinity in sample {where}; every value must be a finite number")
        least, most = np.minimum(least, part.min(axis=axes)), np.maximum(most, part.max(axis=axes))
        release(part)
    return least, most
