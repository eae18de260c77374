"""Which pixels or values are missing, by a mask or by the value that marks them.

Next door: `restore` fills them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.data.samples import Samples, from_arrays
from narrows.errors import DataError
from narrows.io.arrays import Array

Mask = npt.NDArray[np.bool_]


def masks_of(mask: Any, samples: Samples) -> list[Mask]:
    """What is missing of each sample, `(H, W)`, `(T,)`, of signals also `(T, C)`, or `(D,)`, from one mask for all or
    one for each.

    Raises `DataError` for masks of other sizes, and for those that mark everything, of signals in one channel, or
    nothing.
    """
    sides = 2 if samples.description.axes == 2 else 1
    planes = [np.shape(value)[:sides] for value in samples.values]
    given = [np.asarray(m) for m in mask] if isinstance(mask, (list, tuple)) else np.asarray(mask)
    first = np.shape(samples.values[0]) if samples.description.axes == 1 else planes[0]
    if isinstance(given, np.ndarray) and (given.ndim == len(planes[0]) or given.shape == first):
        given = [given] * len(planes)
    if len(given) != len(planes):
        raise DataError(f"{len(given)} masks were given for {len(planes)} samples; give one each, or one for all")
    names = samples.names or tuple(f"sample {number}" for number in range(len(planes)))
    channels = samples.description.channels if samples.description.axes == 1 else 1
    return [checked_mask(m, plane, name, channels) for m, plane, name in zip(given, planes, names, strict=True)]


def checked_mask(mask: Array, plane: Sequence[int], name: str, channels: int = 1) -> Mask:
    """A mask as booleans, `plane`, or of several `channels` also `(*plane, C)`; raises `DataError` naming the sample
    for one of another size, or of all, in some channel, or nothing."""
    if mask.ndim == len(plane) + 1 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if tuple(mask.shape) not in {tuple(plane), (*plane, channels)}:
        wanted = f"(H, W), one mark a pixel: {(*plane,)}" if len(plane) == 2 else f"{(*plane,)}, one mark a value"
        if channels > 1:
            wanted = f"{(*plane,)}, one mark a step, or {(*plane, channels)}, one a value"
        raise DataError(f"{name}: a mask of shape {mask.shape} was given; it has to be {wanted}")
    missing: Mask = np.asarray(mask) != 0
    whole = missing.all(axis=tuple(range(len(plane))))
    if whole.any() or not missing.any():
        all_of = "everything" if whole.all() else f"all of channel {int(np.argmax(whole)) + 1}"
        what = f"{all_of} as missing; something has to be known" if whole.any() else "nothing as missing"
        raise DataError(f"{name}: the mask marks {what}; what is missing is what is not 0")
    return missing


def marked(values: Array, value: Sequence[float], images: bool, source: str) -> Mask:
    """Where images `(..., H, W, C)`, or vectors, have the value of what is missing: one number, or one per channel,
    alpha not counted; NaN in one channel is enough. Raises `DataError` for another number of them, and where it is
    nowhere."""
    colours = values[..., : values.shape[-1] - (values.shape[-1] in (2, 4))] if images else values[..., None]
    wanted, channels = np.array(value), colours.shape[-1]
    if len(value) not in (1, channels):
        allowed = "1" if channels == 1 else f"1, or {channels}, one per channel"
        raise DataError(f"{source}: a missing value of {len(value)} numbers was given; give {allowed}")
    here = (colours == wanted) | (np.isnan(colours) & np.isnan(wanted))
    found: Mask = here.any(axis=-1) if np.isnan(wanted).any() else here.all(axis=-1)
    if not found.any():
        raise DataError(f"{source}: the missing value is nowhere in it; nothing is to be filled in")
    return found


def apart(array: Array, value: Sequence[float], source: str) -> tuple[Samples, Mask]:
    """Samples of an array in which a value, such as NaN, stands for what is missing, and where that is: `(N, H, W)`
    or `(N, D)`. Raises `DataError` where it is nowhere, and where a sample is nothing else."""
    whole = array[..., None] if array.ndim == 3 else array
    if whole.ndim not in (2, 4):
        from_arrays(whole, source)  # says what is allowed
    images = whole.ndim == 4
    missing = marked(whole, value, images, source)
    holes = np.isnan(whole) & (missing[..., None] if images else missing)
    samples = from_arrays(np.where(holes, whole.dtype.type(0), whole) if holes.any() else whole, source)
    if (lost := np.flatnonzero(missing.reshape(len(missing), -1).all(axis=1))).size:
        raise DataError(f"{source}: all of sample {lost[0]} is missing; something has to be known")
    return samples, missing
