"""What kind of images a set has, for the choice of a network. Next door: `similarity` compares images."""

from __future__ import annotations

import numpy as np

from narrows.data.samples import Samples
from narrows.data.similarity import likenesses, nearest, spread
from narrows.io.arrays import Ragged

MUCH, SHARE = 0.97, 0.25  # similarity of images that are alike; the share of images that must be
LEAST, PROBED = 64, 4096  # images a set must have; images compared
LOOKED_AT, FLAT = 64, 0.5  # images looked at for drawings; the share of pixels that must equal their left neighbour


def often_alike(samples: Samples) -> bool:
    """Whether many images of a set have another in it that is much like them; always false if sizes differ."""
    values = samples.values
    if samples.description.axes != 2 or isinstance(values, Ragged) or len(values) < LEAST:
        return False
    likeness = likenesses(values, spread(len(values), PROBED))
    _, score = nearest(likeness, likeness, np.arange(len(likeness)))
    return bool((score >= MUCH).mean() >= SHARE)


def drawn(samples: Samples) -> bool:
    """Whether images are drawings: most of their pixels equal their left neighbour exactly."""
    if samples.description.axes != 2:
        return False
    images = (np.asarray(samples.values[int(i)]) for i in spread(len(samples), LOOKED_AT))  # one at a time
    same = [(image[:, 1:] == image[:, :-1]).all(axis=2).mean() for image in images if image.shape[1] > 1]
    return bool(np.mean(same) >= FLAT) if same else False
