"""Arrays in `.npy` files as samples, read without loading them, and written sample by sample.

Next door: `pictures` does the same for image files; `sources` reads arrays to train on.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array, check_numeric
from narrows.io.atomic import replacing

LONG = 1 << 22  # values of one axis
PART_BYTES = 16 << 20  # of a file that are mapped at a time


@dataclass(frozen=True)
class Layout:
    """How an array is read as `count` samples of `shape` `(H, W, C)` or `(D,)`; `form` is the shape of a sample in
    the array, if it differs. A `whole` array is one sample, without a first axis that counts samples."""

    count: int
    shape: tuple[int, ...]
    form: tuple[int, ...] | None = None
    whole: bool = False


def layout(array: Array) -> Layout:
    """uint8 or uint16 of `(N, H, W)` or `(N, H, W, C)` with C from 1 to 4 are images, other `(N, ...)` vectors. An
    array of one axis or none is one sample; a long one of floats is as many samples as values, so that it need not
    fit into memory."""
    if array.ndim == 1 and array.dtype.kind == "f" and array.size > LONG:
        return Layout(array.size, (1,), ())
    if array.ndim < 2:
        return Layout(1, (array.size,), array.shape if array.ndim == 0 else None, whole=True)
    count, form = array.shape[0], array.shape[1:]
    if array.dtype.name in ("uint8", "uint16"):
        if len(form) == 2:
            return Layout(count, (*form, 1), form)
        if len(form) == 3 and 1 <= form[2] <= 4:
            return Layout(count, form)
    return Layout(count, (int(np.prod(form)),), form if len(form) > 1 else None)


def open_npy(path: str | os.PathLike[str]) -> Array:
    """The array of an `.npy` file as a memory map; raises `DataError` naming the file. No pickle is opened."""
    path = Path(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # NumPy raises every kind on damaged files
        why = (
            "it holds pickled objects"
            if "Python objects" in str(error)
            else "damaged, a pickle, or not NumPy's format"
        )
        raise DataError(f"{path}: the file cannot be read: {why}; save plain numbers with numpy.save") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: an archive of arrays; save each array by itself with numpy.save")
    check_numeric(array.dtype, str(path))
    if isinstance(array, np.memmap) and (more := path.stat().st_size - array.offset - array.nbytes) > 0:
        raise DataError(
            f"{path}: its first array is followed by {more} byte{'s' * (more > 1)}; save each array by itself with "
            "numpy.save"
        )
    if 0 in (array.shape[1:] if array.ndim > 1 else array.shape):
        raise DataError(f"{path}: an array of shape {array.shape} was given; a sample has at least one value")
    return array


def read_samples(path: str | os.PathLike[str], plan: Layout) -> Iterator[Array]:
    """The samples of an `.npy` file, in the shape of its `layout`."""
    if plan.whole:
        yield np.asarray(open_npy(path)).reshape(plan.shape)
        return
    start = 0
    while start < plan.count:
        # Mapped again for each part, since pages that were read count as memory of this process until it is closed.
        array = np.asarray(open_npy(path))
        stop = start + max(1, PART_BYTES // array[0].nbytes)
        for row in array[start:stop]:
            yield row.reshape(plan.shape)
        start = stop


def read_chunks(path: str | os.PathLike[str], plan: Layout, each: int) -> Iterator[Array]:
    """The same, `(n, *shape)` with `each` samples at a time."""
    for start in range(0, plan.count, each):
        array = np.asarray(open_npy(path)).reshape(plan.count, *plan.shape)
        yield array[start : start + each]


def is_usual(path: str | os.PathLike[str], array: Array) -> bool:
    """Whether `write_npy` would write the header that the file of an array has."""
    usual = _header(array.dtype.name, array.shape)
    with Path(path).open("rb") as file:
        return file.read(len(usual)) == usual


def write_npy(file: IO[bytes], dtype: str, shape: tuple[int, ...], samples: Iterable[Array]) -> None:
    """Write an `.npy` of this shape and dtype, in native byte order, from its samples in order. (`numpy.save` hides
    the reason if a disk is full.)"""
    native = np.dtype(dtype)
    file.write(_header(dtype, shape))
    for sample in samples:
        file.write(np.ascontiguousarray(sample, native).data.cast("B"))


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    fields = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def save_array(path: str | os.PathLike[str], array: Array, force: bool = True) -> None:
    """Write an `.npy` file, see `replacing`."""
    with replacing(path, force) as file:
        write_npy(file, array.dtype.name, array.shape, [array])
