"""Arrays as read from files: one array for samples of one size, `Ragged` for those of differing sizes.

Next door: `images`, `npy` and `idx` read them from files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.errors import DataError
from narrows.io.frames import array_of_frame, is_frame

Array = npt.NDArray[Any]


class Ragged(Sequence[Array]):
    """Images or signals of different sizes and equal channels in one flat array (RAM or memory map)."""

    def __init__(self, flat: Array, shapes: npt.NDArray[np.int64]) -> None:
        """`flat` holds sum(H W C) values; `shapes` is `(N, 3)`: H, W, C of each image, or `(N, 2)`: T, C of each
        signal."""
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


def array_of(data: Any, source: str) -> Array:
    """An array, a tensor, or whatever says that it is an array, such as a data frame, as one; a memory map stays one.

    Raises `DataError` naming everything else, and for masked arrays, in which what is masked is not known.
    """
    kind = type(data).__name__
    if isinstance(data, (str, os.PathLike)):
        raise DataError(f"{source}: the name of a file, {os.fspath(data)!r}, was given; read it with open_samples")
    numbers = isinstance(data, (np.ndarray, np.generic, int, float, list, tuple))
    if not numbers and not any(hasattr(data, name) for name in ("detach", "__array__", "__array_interface__")):
        raise DataError(
            f"{source}: a {kind} was given; allowed are arrays, tensors, lists of them and paths; gather the samples "
            "with numpy.stack"
        )
    if is_frame(data):
        data = array_of_frame(data, source)
    try:
        array: Array = np.asanyarray(data.detach().cpu() if hasattr(data, "detach") else data)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{source}: no array of numbers ({' '.join(str(error).split())[:160]}); convert it") from None
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{source}: a masked array was given, whose masked values are not known; use .filled()")
    return array


def pack(images: Sequence[Array]) -> Array | Ragged:
    """Images `(H, W, C)` or signals `(T, C)` of one dtype as one array, or as `Ragged` if sizes differ."""
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
