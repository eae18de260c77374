"""Whether an image has been a JPEG file, from its pixels alone.

JPEG rounds the cosine transform of every block of 8 by 8 pixels, so that many of its numbers become 0; any other grid
of blocks has fewer of these (Nikoukhah et al., "ZERO", IPOL 2021). Next door: `jpeg` makes such images; `level`
estimates how strong their noise is.
"""

from __future__ import annotations

import numpy as np
import scipy  # whose parts are loaded when they are first used

from narrows.degradations.jpeg import BLOCK
from narrows.degradations.level import Doubles

SIDE = 256 + BLOCK - 1  # pixels of the middle of an image that are looked at
NEAR_ZERO = 0.5  # of a range of 0 to 255
CLEAR = 4.5  # deviations of the other grids; noise of 3 or more makes 4 at most, quality 95 mostly 10
LITTLE = 0.02  # added to the deviation


def middle(height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of an image that are enough to tell."""
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    return slice(top, top + SIDE), slice(left, left + SIDE)


def been_jpeg(image: Doubles) -> bool:
    """Whether an image `(C, H, W)` in 0..1, or the middle of a large one, has been a JPEG file since noise was added
    to it."""
    plane = 255 * _luma(image)
    rows, columns = ((side - BLOCK + 1) // BLOCK for side in plane.shape)
    if min(rows, columns) < 2:
        return False
    zeros = np.zeros((BLOCK, BLOCK))
    for down in range(BLOCK):
        for across in range(BLOCK):
            part = plane[down : down + BLOCK * rows, across : across + BLOCK * columns]
            blocks = part.reshape(rows, BLOCK, columns, BLOCK)
            zeros[down, across] = (np.abs(scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")) < NEAR_ZERO).sum()
    zeros /= rows * columns
    down, across = divmod(int(zeros.argmax()), BLOCK)
    others = np.delete(np.delete(zeros, down, 0), across, 1)  # those of the same rows or columns share some of them
    return bool(zeros[down, across] - others.mean() > CLEAR * (others.std() + LITTLE))


def _luma(image: Doubles) -> Doubles:
    """`(H, W)`, by the weights of JPEG's colour transform (ITU-T T.871)."""
    weights = np.array([0.299, 0.587, 0.114]) if len(image) == 3 else np.full(len(image), 1 / len(image))
    return np.tensordot(weights, image, 1)
