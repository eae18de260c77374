"""How alike images are, by comparing thumbnails.

What counts is where an image is light and dark, whatever its contrast; colour counts less.
Next door: `character` judges a whole set by it; `models.lossy` and `codecs.references` search for similar images.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from narrows.data.ranges import CHUNK_BYTES
from narrows.io.arrays import Array

LIGHT, COLOUR = 24, 6  # sides of the two thumbnails in pixels
WEIGHT = 0.5  # of colour
ROWS = 256  # images compared at a time; fewer if they are large
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def likenesses(images: Array, chosen: Indices | None = None) -> Floats:
    """Thumbnails `(N, D)` of images `(N, H, W, C)`, or of the `chosen` ones, as vectors of length 1; their products,
    -1 to 1, say how alike two images are. Few images are read at a time, so they may be a memory map."""
    rows = max(1, min(ROWS, CHUNK_BYTES // (4 * math.prod(images.shape[1:]))))
    count, parts = len(images) if chosen is None else len(chosen), []
    for start in range(0, count, rows):
        span = slice(start, start + rows)
        parts.append(_likenesses(np.asarray(images[span if chosen is None else chosen[span]])))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def thumbnail_size(shape: tuple[int, ...]) -> int:
    """The number of values in the thumbnail of an image `(H, W, C)`."""
    return min(LIGHT, *shape[:2]) ** 2 + shape[2] * min(COLOUR, *shape[:2]) ** 2


def _likenesses(images: Array) -> Floats:
    x = torch.from_numpy(np.ascontiguousarray(images, np.float32)).permute(0, 3, 1, 2)
    light, colour = (
        functional.adaptive_avg_pool2d(plane, min(side, *plane.shape[2:])).flatten(1)
        for plane, side in ((x.mean(dim=1, keepdim=True), LIGHT), (x, COLOUR))
    )
    parts = [functional.normalize(part - part.mean(dim=1, keepdim=True)) for part in (light, colour)]
    both: Floats = functional.normalize(torch.cat([parts[0], WEIGHT * parts[1]], dim=1)).numpy()
    return both


def spread(count: int, most: int) -> Indices:
    """At most `most` of the indices 0 to `count` - 1, evenly spread."""
    chosen: Indices = np.linspace(0, count - 1, min(most, count)).astype(np.int64)
    return chosen


def nearest(likeness: Floats, library: Floats, own: Indices | None = None) -> tuple[Indices, Floats]:
    """For each row of `likeness` the most similar row of the `library` and the similarity, both `(N,)`; `own` `(N,)`
    are the rows of the library that are the image itself, which do not count (-1 for none)."""
    found, score = np.empty(len(likeness), np.int64), np.empty(len(likeness), np.float32)
    for start in range(0, len(likeness), ROWS):
        products = likeness[start : start + ROWS] @ library.T
        if own is not None:
            part = own[start : start + ROWS]
            products[np.flatnonzero(part >= 0), part[part >= 0]] = -np.inf
        found[start : start + ROWS] = products.argmax(axis=1)
        score[start : start + ROWS] = products.max(axis=1)
    return found, score
