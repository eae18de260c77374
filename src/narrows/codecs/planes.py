"""Values byte by byte: as they are, or in LZMA2 over the byte planes of the values or of their differences.

Next door: `fallback` tries all of them.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Sequence

import numpy as np

from narrows.archive.entries import Shape
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

# Part of the format. Raw LZMA2 has no header: the dictionary, 8 MiB, bounds what a reader needs.
DICTIONARY = 1 << 23


def joined(samples: Sequence[Array]) -> Array:
    """All values of samples in a row, little endian."""
    dtype = samples[0].dtype.newbyteorder("<")
    return np.concatenate([np.ascontiguousarray(s).reshape(-1) for s in samples]).astype(dtype, copy=False)


def parted(flat: Array, shapes: Sequence[Shape]) -> list[Array]:
    """The inverse: samples of these shapes."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]


def decode_raw(data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
    """The samples whose `joined` bytes these are; raises `ArchiveError` if there are more or fewer."""
    _check(len(data), shapes, dtype)
    return parted(np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype), shapes)


def encode(samples: Sequence[Array], differences: bool) -> bytes:
    """All lowest bytes of the values, then all second bytes, ..., in LZMA2; with `differences`, those of each value
    minus the one before it."""
    flat = joined(samples)
    bits = flat.view(f"<u{flat.itemsize}")
    if differences:
        bits = np.diff(bits, prepend=bits.dtype.type(0))
    planes = bits.view(np.uint8).reshape(len(bits), flat.itemsize).T
    data = np.ascontiguousarray(planes).tobytes()
    # No larger than the data, which saves most of the time for small blocks.
    size = min(DICTIONARY, max(1 << 12, 1 << (len(data) - 1).bit_length()))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    return lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


def decode(data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic], differences: bool) -> list[Array]:
    """The inverse; raises `ArchiveError` for bytes that do not give these shapes."""
    wanted = sum(math.prod(shape) for shape in shapes) * dtype.itemsize
    try:
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": DICTIONARY}]
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
        data = stream.decompress(data, wanted + 1) if data else b""
    except lzma.LZMAError:
        raise ArchiveError("a damaged block: its bytes are not valid LZMA2") from None
    _check(len(data), shapes, dtype)
    if not stream.eof or stream.unused_data:
        raise ArchiveError("a damaged block: its LZMA2 does not end where it should")
    bits = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1).T.copy().view(f"<u{dtype.itemsize}")[:, 0]
    if differences:
        bits = np.cumsum(bits, dtype=bits.dtype)
    return parted(bits.astype(f"u{dtype.itemsize}").view(dtype), shapes)


def _check(size: int, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> None:
    wanted = sum(math.prod(shape) for shape in shapes) * dtype.itemsize
    if size != wanted:
        raise ArchiveError(f"a damaged block: {size} bytes in place of {wanted}")
