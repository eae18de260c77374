"""Blocks that were encoded elsewhere, checked against the entries and the codec of the archive that they are for.

Next door: `codec` declares blocks; `writer` writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from narrows.archive.codec import Block
from narrows.archive.digest import DIGEST_BYTES
from narrows.archive.entries import Entry
from narrows.archive.layout import BLOCK_BYTES, BLOCK_SAMPLES
from narrows.archive.promise import Promise
from narrows.errors import DataError


def checked(
    blocks: Iterable[Block], entries: Sequence[Entry], promise: Promise, model: bytes
) -> Iterator[tuple[Block, int]]:
    """The same blocks, each with the bytes of its samples; `model` is the hash of the archive's compact model.

    Raises `DataError` where blocks are too large for an archive, hold other samples than those of the entries, in
    order, or were encoded for another promise or with another model.
    """
    name = ascii(entries[0].name)
    samples = (entry for entry in entries for _ in range(entry.count))
    left = sum(entry.count for entry in entries)
    for block in blocks:
        left -= block.samples
        expected = list(islice(samples, block.samples))
        size = sum(entry.sample_bytes for entry in expected)
        few = 1 <= block.samples <= BLOCK_SAMPLES and (block.samples == 1 or size <= BLOCK_BYTES)
        if not (few and size and block.payload and len(block.digest) == DIGEST_BYTES):
            raise DataError(
                f"{name}: an encoded block of {block.samples} samples and {size} bytes of them was given; allowed "
                f"are 1 to {BLOCK_SAMPLES} samples and {BLOCK_BYTES} bytes"
            )
        for entry, shape in zip(expected, block.shapes, strict=False):  # what there is too many is told below
            if (entry.shape, entry.dtype) != (shape, block.dtype):
                raise DataError(
                    f"{entry.name!a}: an encoded block with a sample {shape} {block.dtype} was given where the entry "
                    f"has {entry.shape} {entry.dtype}"
                )
        if block.promise is not None and block.promise.to_bytes() != promise.to_bytes():
            raise DataError(
                f"{name}: a block encoded for another promise ({block.promise}) was given for an archive that is "
                f"{promise}; encode it with the codec of the archive"
            )
        if block.model not in (b"", model):
            raise DataError(
                f"{name}: a block encoded with another model than the archive's was given; encode it with the codec "
                "of the archive"
            )
        yield block, size
    if left:
        raise DataError(
            f"{name}: encoded blocks with {abs(left)} samples too {'few' if left > 0 else 'many'} were given; the "
            "blocks must hold the samples of their entries and no others"
        )
