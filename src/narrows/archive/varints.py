"""Whole numbers in as few bytes as they need (LEB128), many at once, and bytes deflated where that is shorter.

Next door: `index` and `entries` are made of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from narrows.errors import ArchiveError

Integers = npt.NDArray[np.int64]
MOST_BYTES = 7  # of one number: below 2**49, more than any field may hold, and far from what int64 holds


def to_varints(numbers: Iterable[int] | Integers) -> bytes:
    """Numbers `(N,)` from 0 to 2**49 - 1, end to end: 7 bits a byte, lowest first."""
    values = np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers), np.int64)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < 1 << 7 * MOST_BYTES:
        raise ValueError("a number that is negative or too large")
    lengths = np.ones(len(values), np.int64)
    for i in range(1, MOST_BYTES):
        lengths += values >> 7 * i > 0
    starts = np.cumsum(lengths) - lengths
    out = np.empty(int(lengths.sum()), np.uint8)
    for i in range(MOST_BYTES):
        has = lengths > i
        out[starts[has] + i] = (values[has] >> 7 * i & 127) | (lengths[has] > i + 1) << 7
    return out.tobytes()


def from_varints(data: bytes, at: int, count: int) -> tuple[Integers, int]:
    """`count` numbers of `data` from `at` on, and where they end; raises `ArchiveError` where they are not there."""
    if count > len(data) - at:
        raise ArchiveError(f"{count} numbers are claimed where {len(data) - at} bytes are left")
    if not count:
        return np.empty(0, np.int64), at
    window = np.frombuffer(data, np.uint8, min(count * MOST_BYTES, len(data) - at), at)
    ends = np.flatnonzero(window < 128)[:count]
    if len(ends) < count:
        raise ArchiveError("a number has no end")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > MOST_BYTES or ((lengths > 1) & (window[ends] == 0)).any():
        raise ArchiveError("a number takes more bytes than it needs or may")
    values = np.zeros(count, np.int64)
    for i in range(int(lengths.max())):
        has = lengths > i
        values[has] |= (window[starts[has] + i] & 127).astype(np.int64) << 7 * i
    return values, at + int(ends[-1]) + 1


def deflated(data: bytes) -> bytes | None:
    """The length of `data`, then raw deflate of it; None where that is not shorter."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    result = to_varints([len(data)]) + packer.compress(data) + packer.flush()
    return result if len(result) < len(data) else None


def inflated(data: bytes, limit: int) -> bytes:
    """The inverse; no more than `limit` bytes are ever made. Raises `ArchiveError`."""
    (length,), at = from_varints(data, 0, 1)
    if length > limit:
        raise ArchiveError(f"{length} bytes are claimed where {limit} are allowed")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        result = unpacker.decompress(data[at:], int(length) + 1)
    except zlib.error:
        raise ArchiveError("bytes that should be deflated are not") from None
    if len(result) != length or not unpacker.eof or unpacker.unused_data:
        raise ArchiveError("deflated bytes do not give the length that they claim")
    return result
