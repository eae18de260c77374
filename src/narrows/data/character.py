"""What kind of images a set has, as far as the choice of a network goes.

Next door: `likeness` compares images.
"""

from __future__ import annotations

import numpy as np

from narrows.data.samples import Samples
from narrows.data.similarity import likenesses, nearest, spread
from narrows.io.arrays import Ragged

MUCH, SHARE = 0.97, 0.25  # alike; of the images that must be
LEAST, PROBED = 64, 4096  # images
LOOKED_AT, FLAT = 64, 0.5  # images; of their pixels that must be as the one before


def often_alike(samples: Samples) -> bool:
    """Whether many images of a set have another in it that looks much like them; never of varied sizes."""
    values = samples.values
    if samples.description.axes != 2 or isinstance(values, Ragged) or len(values) < LEAST:
        return False
    likeness = likenesses(values, spread(len(values), PROBED))
    _, score = nearest(likeness, likeness, np.arange(len(likeness)))
    return bool((score >= MUCH).mean() >= SHARE)


def drawn(samples: Samples) -> bool:
    """Whether images are drawings: most of their pixels are exactly as the one before."""
    if samples.description.axes != 2:
        return False
    images = (np.asarray(samples.values[int(i)]) for i in spread(len(samples), LOOKED_AT))  # one at a time
    same = [(image[:, 1:] == image[:, :-1]).all(axis=2).mean() for image in images if image.shape[1] > 1]
    return bool(np.mean(same) >= FLAT) if same else False
