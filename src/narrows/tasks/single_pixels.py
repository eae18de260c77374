"""Which of two models fills pixels in: that for holes of every kind, or one for single pixels, where there is one.

Next door: `missing` finds out which pixels are missing; `restore` fills them in.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.ndimage import minimum_filter

from narrows.models import shipped
from narrows.models.loading import load
from narrows.models.restorer import Restoring
from narrows.tasks.missing import Mask

TOGETHER = 0.25  # the correlation of neighbours from which missing pixels count as lines or patches
SPARE = 1.5  # times the side of the largest square without a known pixel that chance makes


def suited(model: Restoring, missing: Mask) -> Restoring:
    """The model itself, or, where it is weights that come with the package and only single pixels are missing of an
    image `(H, W)`, the weights that serve better there."""
    name = shipped.for_single_pixels(model.shipped)
    return _loaded(name, str(model.device)) if name is not None and scattered(missing) else model


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


@lru_cache(maxsize=2)
def _loaded(name: str, device: str) -> Restoring:
    model = load(name, device)
    assert isinstance(model, Restoring)
    return model
