"""Arrays of whole numbers in few bytes: how the weights of networks travel with an archive.

A number is its length in bits, coded with a table of its array, and then those bits themselves.
Next door: `compact_model` puts such bytes together; `archive.varints` has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from narrows.archive.varints import from_varints, to_varints
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import CumulativeTables, Integers, from_weights
from narrows.errors import ArchiveError

# Part of the format.
MOST_BITS = 48  # of a number, its sign aside
MOST_SIDES = 8
LIMIT = 1 << 28  # numbers in all arrays: a gibibyte of float32


def pack_arrays(arrays: Sequence[Integers]) -> bytes:
    """Arrays of integers below 2**48 in size, of any shapes, as bytes. Raises ValueError for larger ones."""
    flat = np.concatenate([np.empty(0, np.int64), *(np.asarray(a, np.int64).reshape(-1) for a in arrays)])
    lengths = _bit_lengths(flat)
    if lengths.max(initial=0) > MOST_BITS:
        raise ValueError(f"a number of more than {MOST_BITS} bits")
    weights = []
    for part in _cut(lengths, np.array([a.size for a in arrays], np.int64)):
        counts = np.bincount(part, minlength=1)
        # Eight bits a weight are enough: finer ones would cost more than they save.
        weights.append(np.maximum(counts * 255 // max(1, int(counts.max())), counts > 0))
    encoder = RangeEncoder()
    encoder.by_table(lengths, _owners([a.size for a in arrays]), _tables(weights))
    coded = encoder.finish()
    sides = [side for a in arrays for side in a.shape]
    head = [len(arrays), *(a.ndim for a in arrays), *sides, *map(len, weights), *(w for row in weights for w in row)]
    return to_varints([*map(int, head), len(coded)]) + coded + _mantissas(flat, lengths)


def unpack_arrays(data: bytes, limit: int = LIMIT) -> list[Integers]:
    """The inverse of `pack_arrays`. Raises `ArchiveError` for other bytes, or more than `limit` numbers in all."""
    (count,), at = from_varints(data, 0, 1)
    ranks, at = from_varints(data, at, int(count))
    if (ranks > MOST_SIDES).any():
        raise ArchiveError("a packed model is damaged: an array of too many sides")
    sides, at = from_varints(data, at, int(ranks.sum()))
    shapes = [tuple(part.tolist()) for part in _cut(sides, ranks)]
    sizes = [math.prod(shape) for shape in shapes]
    # Sides of 0 do not excuse others that no array can have.
    if sum(sizes) > limit or any(math.prod(max(1, side) for side in shape) > limit for shape in shapes):
        raise ArchiveError(f"a packed model is damaged: {sum(sizes)} numbers, at most {limit} are allowed")
    widths, at = from_varints(data, at, int(count))
    if (widths < 1).any() or (widths > MOST_BITS + 1).any():
        raise ArchiveError("a packed model is damaged: a table of no possible length")
    flat_weights, at = from_varints(data, at, int(widths.sum()))
    if (flat_weights > 255).any():
        raise ArchiveError("a packed model is damaged: a weight that is too large")
    (length,), at = from_varints(data, at, 1)
    if length > len(data) - at:
        raise ArchiveError("a packed model is damaged: it ends early")
    decoder = RangeDecoder(data[at : at + int(length)])
    lengths = decoder.by_table(None, _owners(sizes), _tables(_cut(flat_weights, widths)))
    decoder.finish()
    if ((lengths < 0) | (lengths > MOST_BITS)).any():
        raise ArchiveError("a packed model is damaged: a number that is too long")
    flat = _from_mantissas(data[at + int(length) :], lengths)
    parts = _cut(flat, np.array(sizes, np.int64))
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _cut(flat: Integers, sizes: Integers) -> list[Integers]:
    """An array cut into pieces of these sizes."""
    return np.split(flat, np.cumsum(sizes)[:-1]) if len(sizes) else []


def _owners(sizes: Sequence[int]) -> Integers:
    """The number of the array that each number belongs to."""
    return np.repeat(np.arange(len(sizes)), np.array(sizes, np.int64))


def _tables(weights: Sequence[Integers]) -> CumulativeTables:
    """A table of lengths for each array; the escape has next to nothing, for it never comes."""
    padded = [np.append(w if w.any() else w + 1, 0) for w in weights]
    return CumulativeTables(tuple(from_weights(p) for p in padded), (0,) * len(padded))


def _bit_lengths(flat: Integers) -> Integers:
    """Bits of each number without its sign; 0 for 0."""
    size = np.abs(flat)
    lengths = np.zeros(len(flat), np.int64)
    for bit in range(MOST_BITS + 1):
        lengths[size >> bit > 0] = bit + 1
    return lengths


def _mantissas(flat: Integers, lengths: Integers) -> bytes:
    """The bits below the highest of each number and its sign, lowest first; number after number."""
    # A number of b bits has b of these: b - 1 below its highest, and the sign in place of that.
    value = np.abs(flat) & ~(np.int64(1) << np.maximum(lengths - 1, 0)) | (
        (flat < 0).astype(np.int64) << np.maximum(lengths - 1, 0)
    )
    owner, place = _places(lengths)
    return np.packbits((value[owner] >> place & 1).astype(np.uint8), bitorder="little").tobytes()


def _from_mantissas(data: bytes, lengths: Integers) -> Integers:
    total = int(lengths.sum())
    if len(data) != -(-total // 8):
        raise ArchiveError(f"a packed model is damaged: {len(data)} bytes of digits in place of {-(-total // 8)}")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=total, bitorder="little")
    starts = np.cumsum(lengths) - lengths
    size, negative = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), bool)
    for place in range(int(lengths.max(initial=0))):
        has = np.flatnonzero(lengths > place)
        found, top = bits[starts[has] + place].astype(np.int64), lengths[has] == place + 1
        size[has] |= np.where(top, 1, found) << place  # the highest is always there
        negative[has[top]] = found[top] > 0  # and its place has the sign
    return np.where(negative, -size, size)


def _places(lengths: Integers) -> tuple[Integers, Integers]:
    """For each bit: the number it belongs to, and its place in it."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
