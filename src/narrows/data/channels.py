"""Images with more channels and nothing lost. Next door: `samples` says what an image is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from narrows.data.samples import Samples
from narrows.io.arrays import Array, Ragged, pack

_LIFTS = {(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)}  # channels before and after


def lifted(samples: Samples, channels: int) -> Samples:
    """Images with more channels and nothing lost: grey repeated as RGB, alpha opaque. As they are where that does not
    make them images of so many."""
    own, wanted = samples.description.channels, channels
    if samples.description.axes != 2 or (own, wanted) not in _LIFTS:
        return samples
    high = samples.values.dtype.type(samples.description.high)

    def made(image: Array) -> Array:
        colours = image[..., : own - (own == 2)]
        if wanted > 2 and own < 3:
            colours = np.repeat(colours, 3, axis=-1)
        if wanted == 3:
            return colours
        alpha = image[..., -1:] if own == 2 else np.full_like(image[..., :1], high)
        return np.concatenate([colours, alpha], axis=-1)

    values = samples.values
    more = pack([made(image) for image in values]) if isinstance(values, Ragged) else made(values)
    shape = (*samples.description.shape[:2], wanted)
    return replace(samples, values=more, description=replace(samples.description, shape=shape))
