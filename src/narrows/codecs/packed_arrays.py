"""Arrays of whole numbers in few bytes: how the weights of networks travel with an archive.

A number is its length in bits, coded with a table of its array, and then those bits.
Next door: `compact_model` puts such bytes together; `archive.varints` has the lengths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from narrows.archive.varints import from_varints, to_varints
from narrows.codecs.compact_model import DAMAGED
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import CumulativeTables, Integers, from_weights
from narrows.errors import ArchiveError, ModelError

# Part of the format.
MOST_BITS = 48  # of a number, its sign aside
MOST_SIDES = 8
# Numbers in all arrays: any few, more only where there are the bytes for them, since a code of nothing but zeros
# takes none. A trained network takes about a byte a number; decoding takes some 60 bytes of memory for each.
FEW, EACH_BYTE, LIMIT = 1 << 23, 16, 1 << 28


def take(arrays: Iterator[Integers], count: int) -> list[Integers]:
    """The next arrays of a compact model; raises `ModelError` if there are fewer."""
    taken = list(islice(arrays, count))
    if len(taken) < count:
        raise ModelError(DAMAGED)
    return taken


def pack_arrays(arrays: Sequence[Integers]) -> bytes:
    """Arrays of integers below 2**48 in size, of any shapes, as bytes. Raises ValueError for larger ones, and
    `ModelError` for many numbers of which hardly any is not 0."""
    sizes = [a.size for a in arrays]
    flat = np.concatenate([np.empty(0, np.int64), *(np.asarray(a, np.int64).reshape(-1) for a in arrays)])
    lengths = _bit_lengths(flat)
    if lengths.max(initial=0) > MOST_BITS:
        raise ValueError(f"a number of more than {MOST_BITS} bits")
    weights = []
    for part in _cut(lengths, np.array(sizes, np.int64)):
        counts = np.bincount(part, minlength=1)
        # Eight bits per weight: finer ones cost more than they save.
        weights.append(np.maximum(counts * 255 // max(1, int(counts.max())), counts > 0))
    encoder = RangeEncoder()
    encoder.by_table(lengths, _owners(sizes), _tables(weights))
    coded = encoder.finish()
    sides = [side for a in arrays for side in a.shape]
    head = [len(arrays), *(a.ndim for a in arrays), *sides, *map(len, weights), *(w for row in weights for w in row)]
    packed = to_varints([*map(int, head), len(coded)]) + coded + _mantissas(flat, lengths)
    if len(flat) > _most(len(packed)):
        raise ModelError(f"{len(flat)} numbers in {len(packed)} bytes: hardly any is not 0; make the model smaller")
    return packed


def unpack_arrays(data: bytes) -> list[Integers]:
    """The inverse; raises `ArchiveError` for other bytes, or more numbers than so many bytes may hold."""
    limit = _most(len(data))
    (count,), at = from_varints(data, 0, 1)
    ranks, at = from_varints(data, at, int(count))
    if (ranks > MOST_SIDES).any():
        raise ArchiveError("a packed model is damaged: an array of too many sides")
    sides, at = from_varints(data, at, int(ranks.sum()))
    shapes = [tuple(part.tolist()) for part in _cut(sides, ranks)]
    sizes = [math.prod(shape) for shape in shapes]
    # Next to a side of 0, too, no other may be larger than an array can have.
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


def _most(length: int) -> int:
    """How many numbers so many bytes may hold."""
    return min(LIMIT, max(FEW, EACH_BYTE * length))


def _cut(flat: Integers, sizes: Integers) -> list[Integers]:
    """An array cut into pieces of these sizes."""
    return np.split(flat, np.cumsum(sizes)[:-1]) if len(sizes) else []


def _owners(sizes: Sequence[int]) -> Integers:
    """The number of the array that each number belongs to."""
    return np.repeat(np.arange(len(sizes)), np.array(sizes, np.int64))


def _tables(weights: Sequence[Integers]) -> CumulativeTables:
    """A table of lengths for each array; the escape, which never comes, has one part."""
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
    """The bits of each number, lowest first, with its sign in place of the highest, which is always 1."""
    top = np.maximum(lengths - 1, 0)
    value = np.abs(flat) & ~(np.int64(1) << top) | (flat < 0).astype(np.int64) << top
    owner = np.repeat(np.arange(len(lengths)), lengths)  # of each bit, and its place there
    place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.packbits((value[owner] >> place & 1).astype(np.uint8), bitorder="little").tobytes()


def _from_mantissas(data: bytes, lengths: Integers) -> Integers:
    total = int(lengths.sum())
    if len(data) != -(-total // 8):
        raise ArchiveError(f"a packed model is damaged: {len(data)} bytes of digits in place of {-(-total // 8)}")
    starts = np.cumsum(lengths) - lengths
    # Eight bytes from each place on, with 57 bits or more from where a number begins.
    padded = data + bytes(8)
    words = np.ndarray(len(data) + 1, "<u8", padded, strides=(1,))
    found = (words[starts >> 3] >> (starts & 7).astype(np.uint64)).astype(np.int64)
    top = np.where(lengths > 0, np.int64(1) << np.maximum(lengths - 1, 0), 0)
    size: Integers = found & np.maximum(top - 1, 0) | top
    return np.where(found & top, -size, size)
