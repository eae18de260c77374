"""Arrays of whole numbers as few bytes: how the weights of networks travel with an archive.

A number is its length in bits, coded with a table of its array, and then those bits themselves.
Next door: `exact` and `pixels` hold what is packed; `fields` has the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from narrows.coding.coder import Decoder, Encoder
from narrows.coding.fields import Reader, varint
from narrows.coding.tables import Integers, Tables, from_weights
from narrows.errors import ArchiveError

MOST_BITS = 48  # of a number, its sign aside
MOST_ARRAYS = 1 << 16
MOST_SIDES = 8
LIMIT = 1 << 28  # numbers in all arrays: a gibibyte of float32


def pack_arrays(arrays: Sequence[Integers]) -> bytes:
    """Arrays of integers below 2**48 in size, of any shapes, as bytes. Raises ValueError for larger ones."""
    head = bytearray(varint(len(arrays)))
    for array in arrays:
        head += varint(array.ndim) + b"".join(varint(side) for side in array.shape)
    flat = np.concatenate([np.empty(0, np.int64), *(np.asarray(a, np.int64).reshape(-1) for a in arrays)])
    lengths = _bit_lengths(flat)
    if lengths.max(initial=0) > MOST_BITS:
        raise ValueError(f"a number of more than {MOST_BITS} bits")
    which = _owners([a.size for a in arrays])
    weights = []
    for part in np.split(lengths, np.cumsum([a.size for a in arrays])[:-1]) if arrays else []:
        counts = np.bincount(part, minlength=1)
        # Eight bits a weight are enough: finer ones would cost more than they save.
        weights.append(np.maximum(counts * 255 // max(1, int(counts.max())), counts > 0))
        head += bytes([len(counts)]) + weights[-1].astype(np.uint8).tobytes()
    encoder = Encoder()
    encoder.by_table(lengths, which, _tables(weights))
    coded = encoder.finish()
    return bytes(head) + varint(len(coded)) + coded + _mantissas(flat, lengths)


def unpack_arrays(data: bytes, limit: int = LIMIT) -> list[Integers]:
    """The inverse of `pack_arrays`. Raises `ArchiveError` for other bytes, or more than `limit` numbers in all."""
    reader = Reader(data, "a packed model")
    shapes = [
        tuple(reader.varint(limit) for _ in range(reader.varint(MOST_SIDES)))
        for _ in range(reader.varint(MOST_ARRAYS))
    ]
    sizes = [math.prod(shape) for shape in shapes]
    if sum(sizes) > limit:
        raise ArchiveError(f"a packed model is damaged: {sum(sizes)} numbers, at most {limit} are allowed")
    weights = []
    for _ in shapes:
        counts = np.frombuffer(reader.take(reader.varint(MOST_BITS + 1)), np.uint8).astype(np.int64)
        weights.append(counts if counts.any() else np.ones(1, np.int64))
    decoder = Decoder(reader.take(reader.varint(len(data))))
    lengths = decoder.by_table(None, _owners(sizes), _tables(weights))
    decoder.finish()
    if ((lengths < 0) | (lengths > MOST_BITS)).any():
        raise ArchiveError("a packed model is damaged: a number that is too long")
    flat = _from_mantissas(reader.rest(), lengths)
    parts = np.split(flat, np.cumsum(sizes)[:-1]) if shapes else []
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _owners(sizes: Sequence[int]) -> Integers:
    """The number of the array that each number belongs to."""
    return np.repeat(np.arange(len(sizes)), np.array(sizes, np.int64))


def _tables(weights: Sequence[Integers]) -> Tables:
    """A table of lengths for each array; the escape has next to nothing, for it never comes."""
    padded = [np.append(w if w.any() else w + 1, 0) for w in weights]
    return Tables(tuple(from_weights(p) for p in padded), (0,) * len(padded))


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
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=total, bitorder="little").astype(np.int64)
    owner, place = _places(lengths)
    top = place == lengths[owner] - 1
    size = np.where(lengths > 0, np.int64(1) << np.maximum(lengths - 1, 0), 0)
    np.add.at(size, owner[~top], bits[~top] << place[~top])
    negative = np.zeros(len(lengths), bool)
    negative[owner[top]] = bits[top] > 0
    return np.where(negative, -size, size)


def _places(lengths: Integers) -> tuple[Integers, Integers]:
    """For each bit: the number it belongs to, and its place in it."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
