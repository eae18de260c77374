"""Arrays as read from files: one array for images of one size, `Ragged` for images of differing sizes.

Next door: `images`, `npy` and `idx` read them from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.errors import DataError

Array = npt.NDArray[Any]


class Ragged(Sequence[Array]):
    """Images of different sizes and equal channels in one flat array (RAM or memory map)."""

    def __init__(self, flat: Array, shapes: npt.NDArray[np.int64]) -> None:
        """`flat` holds sum(H W C) values; `shapes` is `(N, 3)`: H, W, C of each image."""
        self.flat = flat
        self.shapes = shapes
        self.starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
        self.dtype = flat.dtype

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]  # negative ones count from the end, as in a list
        return self.flat[self.starts[index] : self.starts[index + 1]].reshape(self.shapes[index])


def pack(images: Sequence[Array]) -> Array | Ragged:
    """Images `(H, W, C)` of one dtype as one array `(N, H, W, C)`, or as `Ragged` if sizes differ."""
    shapes = np.array([image.shape for image in images], np.int64)
    if (shapes == shapes[0]).all():
        return np.stack(images)
    return Ragged(np.concatenate([image.reshape(-1) for image in images]), shapes)


def check_numeric(dtype: np.dtype[Any], source: str) -> None:
    """Raise `DataError` unless the dtype holds real numbers."""
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise DataError(
            f"{source}: values of dtype {dtype} were given; allowed are bool, integers and floats up to "
            "64 bits; convert with .astype()"
        )
