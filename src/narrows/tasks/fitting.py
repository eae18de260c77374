"""How samples fit a model that restores: their range as it takes it, and the level of their noise.

Next door: `restore` restores them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from narrows.data.batches import to_tensor
from narrows.data.samples import Description
from narrows.degradations import noise_of
from narrows.errors import ModelError
from narrows.io.arrays import Array
from narrows.models.restorer import Restoring

FAR = 10.0  # no noise takes values in 0..1 further than this
_BITS = ("uint8", "uint16")


def estimate(model: Restoring, sample: Array) -> float:
    """The level of noise in one sample, `(H, W, C)` or `(D,)`, as a model that restores takes it for its strength."""
    noise = noise_of(model.degradation)
    if noise is None:
        return 0.0
    if sample.ndim == 1:
        return noise.level[1]
    x = to_tensor(sample[None], fitting(model, sample[None]))[0]
    return noise.estimate(x[:-1] if len(x) in (2, 4) else x)


def fitting(model: Restoring, batch: Array) -> Description:
    """How samples `(N, H, W, C)` or `(N, D)` become 0..1 for this model: those of 8 or 16 bits by their own range,
    floats as they are where the model knows such, all others by the range of the training samples.

    Raises `ModelError` where they do not fit.
    """
    own = model.description
    integers, bits = batch.dtype.name in _BITS, own.dtype in _BITS
    floats = bits and batch.dtype.kind == "f"
    same_kind = (batch.ndim == 4) == (own.axes == 2)
    fits = same_kind and (integers or floats or batch.dtype.name == own.dtype)
    if fits and own.axes == 2:
        colours = batch.shape[3] - (batch.shape[3] in (2, 4))
        fits = colours in model.degradation.colours(own.channels - own.alpha) or repeated(model, colours)
        fits = fits and (bool(model.grid.step) or batch.shape[1:3] == own.shape[:2])
    elif fits:
        fits = batch.shape[1:] == own.shape
    if not fits:
        raise ModelError(
            f"samples of shape {batch.shape[1:]} and dtype {batch.dtype} do not fit this model, which is made to "
            f"{model.specification.purpose} {own.form}, {own.dtype}; convert them or train a model on such samples"
        )
    if integers:
        return replace(own, dtype=batch.dtype.name, low=0.0, high=float(np.iinfo(batch.dtype).max))
    if floats:
        if (most := float(np.abs(batch).max())) > FAR:
            raise ModelError(f"floats up to {most:g} were given; this model takes such from 0 to 1: divide them")
        return replace(own, dtype=batch.dtype.name, low=0.0, high=1.0)
    return own


def repeated(model: Restoring, colours: int) -> bool:
    """Whether grey is restored as RGB with three equal channels."""
    own = model.description.channels - model.description.alpha
    return (colours, own) == (1, 3) and 1 not in model.degradation.colours(own)
