"""Which of two models that come with the package restores a picture: that for all kinds of damage, or one that has
learned a single kind.

Next door: `missing` finds out which pixels are missing; `restore` restores pictures.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.ndimage import minimum_filter

from narrows.data.batches import to_tensor
from narrows.degradations.traces import been_jpeg, middle
from narrows.io.arrays import Array
from narrows.models import shipped
from narrows.models.loading import load
from narrows.models.restorer import Restoring
from narrows.tasks.fitting import fitting
from narrows.tasks.missing import Mask

TOGETHER = 0.25  # the correlation of neighbours from which missing pixels count as lines or patches
SPARE = 1.5  # times the side of the largest square without a known pixel that chance makes


def suited(model: Restoring, image: Array, missing: Mask | None = None) -> Restoring:
    """The model for an image `(H, W, C)`, of which pixels `(H, W)` may be missing: itself, or, where it is weights
    that come with the package, those that serve better where only single pixels are missing, or where the image has
    noise but has not been a JPEG file."""
    name = shipped.specialist(model.shipped)
    if name is None:
        return model
    alone = noisy_alone(model, image) if missing is None else scattered(missing)
    return _loaded(name, str(model.device)) if alone else model


def scattered(missing: Mask) -> bool:
    """Whether pixels are missing one by one, as if each had been drawn by itself: neighbours do not go together, and
    no square without a known one is much larger than chance makes it."""
    share = float(missing.mean())
    if not 0 < share < 1:
        return False
    pairs = ((missing[1:], missing[:-1]), (missing[:, 1:], missing[:, :-1]))
    both = [float(np.mean(one & other)) for one, other in pairs if one.size]
    if any(each - share**2 > TOGETHER * share * (1 - share) for each in both):
        return False
    # Of `missing.size` squares of a side, one has nothing known in it where share ** (side * side) is one in so many.
    side = math.sqrt(math.log(missing.size) / -math.log(share))
    return not minimum_filter(missing, int(SPARE * side) + 2, mode="constant").any()


def noisy_alone(model: Restoring, image: Array) -> bool:
    """Whether an image that a model takes has not been a JPEG file, so that noise is all that there is to remove."""
    part = np.ascontiguousarray(image[middle(*image.shape[:2])])
    x = to_tensor(part[None], fitting(model, image[None]))[0].double().numpy()
    return not been_jpeg(x[:-1] if len(x) in (2, 4) else x)


@lru_cache(maxsize=2)
def _loaded(name: str, device: str) -> Restoring:
    model = load(name, device)
    assert isinstance(model, Restoring)
    return model
