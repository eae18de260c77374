"""Images with fewer channels than a model knows, as images that it knows: grey as colour, opaque ones with an alpha.

Next door: `blocks` stores what a model says of them.
"""

from __future__ import annotations

import numpy as np

from narrows.io.arrays import Array


def can_widen(channels: int, wanted: int) -> bool:
    """Whether images of 1 to 4 channels can be shown with so many more: 1 and 3 as 3 and 4, 1 as 2, 2 as 4."""
    return 1 <= channels < wanted <= 4 and (wanted % 2 == 0 or channels % 2 == 1)


def widened(image: Array, wanted: int, opaque: float) -> Array:
    """An image `(H, W, C)` with `wanted` channels: grey three times, alpha as it is or `opaque`."""
    channels = image.shape[2]
    colours, alpha = image[..., : channels - (channels % 2 == 0)], image[..., channels - (channels % 2 == 0) :]
    if wanted >= 3 and colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    if wanted % 2 == 0 and alpha.shape[2] == 0:
        alpha = np.full((*image.shape[:2], 1), opaque, image.dtype)
    return np.concatenate([colours, alpha], axis=2)


def narrowed(image: Array, channels: int) -> Array:
    """The inverse, for what came back: grey is the mean of the colours, rounded; an alpha that was not there goes."""
    count = 3 if image.shape[2] >= 3 else 1
    colours, alpha = image[..., :count], image[..., count:]
    if channels < 3 and count == 3:
        mean = colours.mean(axis=2, keepdims=True, dtype=np.float64)
        colours = (np.rint(mean) if image.dtype.kind in "ui" else mean).astype(image.dtype)
    return np.concatenate([colours, alpha], axis=2) if channels % 2 == 0 else colours
