"""Which arrays come back within an error of their own, and their blocks.

Next door: `compress` and `codec` call it; `codecs.bounds` makes the blocks and checks every value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.entries import DTYPES, Entry
from narrows.codecs.block import BlockCodec
from narrows.codecs.bounds import Bounded, bound_of, is_bounded, samples_in_block
from narrows.codecs.interpolation import TOGETHER
from narrows.io.arrays import Array

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
    `missing` comes back exactly, and does not count.
    """
    if entry.dtype not in DTYPES:  # it is told when the entry is added
        return None
    dtype = np.dtype(entry.dtype)
    if not is_bounded(codec.promise, dtype):
        return None
    each = samples_in_block(entry.shape, dtype.itemsize, block_samples)
    columns = entry.shape[0] if len(entry.shape) == 1 and entry.form is None and not one_sample else 1
    bound = bound_of(codec.promise, chunks(each), columns if columns <= TOGETHER else 1, missing)
    return Bounded(codec, bound, entry, verify).blocks(chunks(each))
