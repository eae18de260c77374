"""Which arrays come back within an error of their own, and their blocks.

Next door: `compress` and `codec` call it; `codecs.bounds` makes the blocks and checks every value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.entries import DTYPES, Entry
from narrows.archive.promise import Promise
from narrows.codecs.block import BlockCodec
from narrows.codecs.bounds import Bounded, bound_of, is_bounded, samples_in_block
from narrows.codecs.interpolation import TOGETHER
from narrows.errors import DataError
from narrows.io.arrays import Array

REPEATED, NARROW = 0.001, 0.001  # the share of values that are a fill value, and of its range that the others have
LOOKED_AT = 1 << 22  # values that are looked at for one
Chunks = Callable[[int], Iterator[Array]]
"""Reads an array from its beginning, so many samples `(n, *shape)` at a time."""


def blocks_within(
    codec: BlockCodec,
    entry: Entry,
    chunks: Chunks,
    *,
    one_sample: bool = False,
    missing: float | None = None,
    block_samples: int | None = None,
    verify: bool = True,
) -> Iterator[Block] | None:
    """The blocks of an array within the error that the codec promises; None for one that has no error of its own.

    Of vectors, a share of the range is one of the range of each column, unless the array is `one_sample`. What equals
    `missing` comes back exactly, and does not count. Raises `DataError` where a share of the range is promised and a
    value that seems to stand for missing ones makes up nearly all of it.
    """
    if entry.dtype not in DTYPES or 0 in entry.shape:  # it is told when the entry is added
        return None
    dtype = np.dtype(entry.dtype)
    if not is_bounded(codec.promise, dtype):
        return None
    each = samples_in_block(entry.shape, dtype.itemsize, block_samples)
    columns = entry.shape[0] if len(entry.shape) == 1 and entry.form is None and not one_sample else 1
    if missing is None:
        _refuse_fill_value(codec.promise, entry, chunks)
    bound = bound_of(codec.promise, chunks(each), columns if columns <= TOGETHER else 1, missing)
    return Bounded(codec, bound, entry, verify).blocks(chunks(each))


def _refuse_fill_value(promise: Promise, entry: Entry, chunks: Chunks) -> None:
    """Raise `DataError` where a value at an end of an array's range seems to stand for missing ones, since it is
    there often and makes up nearly the whole range, of which a share may be lost: nothing would be left of the
    others."""
    if promise.of != "range" or np.dtype(entry.dtype).kind != "f":
        return
    part = next(chunks(max(1, LOOKED_AT // math.prod(entry.shape))), np.empty(0))
    values = part[np.isfinite(part)].astype(np.float64)
    for end in (values.min(initial=np.inf), values.max(initial=-np.inf)):
        others = values[values != end]
        if len(others) and len(values) - len(others) > max(1, REPEATED * len(values)):
            with np.errstate(over="ignore"):
                if 0 < np.ptp(others) < NARROW * np.ptp(values):
                    raise DataError(
                        f"{entry.name}: {end:g} makes up nearly the whole range, of which a share may be lost; if it "
                        f"stands for missing values, add --missing-value {end:g}; if not, give the error as a number"
                    )
