"""Values within an error, without a model: steps of twice the error from what their neighbours on a grid predict.

Values are whole numbers of sixteenths of a step, or two to the power of such where the error is a share of each
value. What is not finite, marked as missing, or would leave the bound in the values' own precision is stored as it
is.
Next door: `bounds` says what the error of an array is and makes the blocks; `walk` predicts and codes the numbers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.archive.varints import from_varints, to_varints
from narrows.codecs import planes
from narrows.codecs.base import Coded, Way
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.walk import LARGEST, code_numbers
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

# Part of the format.
POWERS, COLUMNS = 1, 2  # bits of the form: values are powers of two; each column has a step of its own
MOST_SIDES = 4
TOGETHER = 1 << 19  # values that are predicted from each other, at most
TERMS = 18  # of the series for a power of two
_LN2 = 0.6931471805599453
_ERROR = struct.Struct("<d")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scale:
    """What numbers stand for: value = (number + offset) * unit, or two to the power of that. `unit` and `offset`
    `(1,)`, or `(D,)` where each column has its own."""

    unit: Doubles
    offset: Integers
    powers: bool = False

    def numbers(self, values: Doubles, start: int = 0) -> Doubles:
        """The numbers of values `(n,)`, the first of which has this index; not rounded."""
        unit, offset = self._of(start, len(values))
        found: Doubles = (np.log2(np.abs(values)) if self.powers else values) / unit - offset
        return found

    def values(self, numbers: Integers, start: int = 0) -> Doubles:
        """The values of numbers `(n,)`, the same on every machine."""
        unit, offset = self._of(start, len(numbers))
        found: Doubles = (numbers + offset) * unit
        return power_of_two(found) if self.powers else found

    def _of(self, start: int, count: int) -> tuple[Doubles, Integers]:
        if len(self.unit) == 1:
            return self.unit, self.offset
        column = np.arange(start, start + count) % len(self.unit)
        return self.unit[column], self.offset[column]


def power_of_two(exponents: Doubles) -> Doubles:
    """2 to the power of exponents: additions, products and quotients of doubles only, which every machine rounds in
    the same way."""
    exponents = np.clip(exponents, -2000.0, 2000.0)
    whole = np.floor(exponents)
    rest = (exponents - whole) * _LN2
    found = np.ones(len(exponents))
    for term in range(TERMS, 0, -1):
        found = 1.0 + found * rest / term
    with np.errstate(over="ignore", under="ignore"):
        power: Doubles = np.ldexp(found, whole.astype(np.int32))
    return power


def in_dtype(values: Doubles, dtype: np.dtype[np.generic]) -> Array:
    """Values as those of a dtype: floats rounded to the nearest, integers to whole numbers and cut to its range."""
    if dtype.kind == "f":
        with np.errstate(over="ignore", under="ignore"):
            return values.astype(dtype)
    limits, nearest = np.iinfo(dtype.name), np.rint(values)
    low, high = nearest <= float(limits.min), nearest >= float(limits.max)
    found = np.where(low | high, 0, nearest).astype(dtype)
    found[low], found[high] = limits.min, limits.max
    return found


def parts(sides: Shape) -> Iterator[tuple[int, int, Shape]]:
    """Where the values that are predicted from each other begin and end, and the sides of their grid."""
    while len(sides) > 1 and math.prod(sides[1:]) > TOGETHER:
        sides = (sides[0] * sides[1], *sides[2:])
    row = math.prod(sides[1:])
    each = max(1, TOGETHER // row)
    for first in range(0, sides[0], each):
        last = min(first + each, sides[0])
        yield first * row, last * row, (last - first, *sides[1:])


class Interpolation(Way):
    """The way as a reader opens it. Blocks are made by `encoded`, which is told more than the samples."""

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        return dtype.kind in "uif" and len(set(shapes)) == 1

    def encode(self, samples: Sequence[Array]) -> Coded:
        raise NotImplementedError("blocks of this way are made by `bounds`")

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
        return planes.parted(decoded(data, len(shapes) * math.prod(shapes[0]), dtype), shapes)

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        return list(numbers)


def open_interpolation(promise: Promise, model: CompactModel | None) -> Way:
    """The way, which needs no model."""
    return Interpolation()


def largest_error(payload: bytes) -> float:
    """The largest error in a block of this way, in the units of the promise, from the bytes after its first one."""
    if len(payload) < _ERROR.size:
        raise ArchiveError("a damaged block: it is cut short")
    return float(_ERROR.unpack_from(payload)[0])


def encoded(sides: Shape, values: Array, scale: Scale, exact: Mask) -> tuple[bytes, Array] | None:
    """Values `(n,)` of a grid with these sides as bytes, for `whole` to complete, and what these decode to. Those
    that are `exact` `(n,)` come back as they are. None where numbers would be too large."""
    coder, back = RangeEncoder(), np.empty(len(values), values.dtype)
    for start, stop, grid in parts(sides):
        with np.errstate(all="ignore"):
            numbers = scale.numbers(values[start:stop].astype(np.float64), start)
        numbers[exact[start:stop]] = 0
        if not (np.abs(numbers) < LARGEST).all():  # nor NaN
            return None
        found = code_numbers(coder, numbers, grid, exact[start:stop])
        back[start:stop] = in_dtype(scale.values(found, start), values.dtype)
    head = bytes([POWERS * scale.powers | COLUMNS * (len(scale.unit) > 1)]) + to_varints([len(sides), *sides])
    head += _scale_to_bytes(scale) + _mask_to_bytes(exact, sides)
    if scale.powers:
        negative = (values < 0) & ~exact
        np.negative(back, where=negative, out=back)
        head += _mask_to_bytes(negative, sides)
    back[exact] = values[exact]
    return head + _values_to_bytes(values[exact]) + coder.finish(), back


def whole(data: bytes, error: float, corrected: Mask, values: Array) -> bytes:
    """The bytes of a block, from those of `encoded`: its largest error, and what is `corrected` after them."""
    places = np.flatnonzero(corrected)
    tail = (
        to_varints(np.diff(places, prepend=0)) + planes.joined([values[corrected]]).tobytes() if len(places) else b""
    )
    return _ERROR.pack(error) + to_varints([len(places), len(tail)]) + tail + data


def decoded(data: bytes, count: int, dtype: np.dtype[np.generic]) -> Array:
    """The values `(count,)` of a block; raises `ArchiveError` if the bytes are visibly damaged."""
    (corrections, length), at = from_varints(data, _ERROR.size, 2)
    if corrections > count or length > len(data) - at:
        raise ArchiveError("a damaged block: more corrections than values")
    tail, at = data[at : at + int(length)], at + int(length)
    if at >= len(data):
        raise ArchiveError("a damaged block: it is cut short")
    form, at = data[at], at + 1
    (axes,), at = from_varints(data, at, 1)
    if form > POWERS | COLUMNS or not 1 <= axes <= MOST_SIDES:
        raise ArchiveError("a damaged block: a form that this narrows does not know")
    found, at = from_varints(data, at, int(axes))
    sides = tuple(found.tolist())
    if math.prod(sides) != count:
        raise ArchiveError(f"a damaged block: a grid of {sides} for {count} values")
    scale, at = _scale_from_bytes(data, at, sides[-1] if form & COLUMNS else 1, bool(form & POWERS))
    exact, at = _mask_from_bytes(data, at, sides)
    negative = None
    if scale.powers:
        negative, at = _mask_from_bytes(data, at, sides)
    stored, at = _values_from_bytes(data, at, int(exact.sum()), dtype)
    coder, back = RangeDecoder(data[at:]), np.empty(count, dtype)
    with np.errstate(all="ignore"):
        for start, stop, grid in parts(sides):
            numbers = code_numbers(coder, None, grid, exact[start:stop])
            back[start:stop] = in_dtype(scale.values(numbers, start), dtype)
        coder.finish()
        if negative is not None:
            np.negative(back, where=negative, out=back)
    back[exact] = stored
    if corrections:
        steps, at = from_varints(tail, 0, int(corrections))
        places = np.cumsum(steps)
        if places[-1] >= count or len(tail) - at != int(corrections) * dtype.itemsize:
            raise ArchiveError("a damaged block: a correction outside of its values")
        back[places] = np.frombuffer(tail[at:], dtype.newbyteorder("<"))
    elif tail:
        raise ArchiveError("a damaged block: bytes without a meaning")
    return back


def _blob(data: bytes) -> bytes:
    return to_varints([len(data)]) + data


def _from_blob(data: bytes, at: int) -> tuple[bytes, int]:
    (length,), at = from_varints(data, at, 1)
    if length > len(data) - at:
        raise ArchiveError("a damaged block: it is cut short")
    return data[at : at + int(length)], at + int(length)


def _scale_to_bytes(scale: Scale) -> bytes:
    if len(scale.unit) == 1:
        return struct.pack("<dq", float(scale.unit[0]), int(scale.offset[0]))
    return b"".join(_blob(planes.encode([part], False)) for part in (scale.unit, scale.offset))


def _scale_from_bytes(data: bytes, at: int, columns: int, powers: bool) -> tuple[Scale, int]:
    found: list[Array] = []
    for dtype in (np.dtype(np.float64), np.dtype(np.int64)):
        if columns == 1:
            found.append(planes.decode_raw(data[at : at + 8], [(1,)], dtype)[0])
            at += 8
        else:
            content, at = _from_blob(data, at)
            found += planes.decode(content, [(columns,)], dtype, False)
    unit, offset = found
    if not (np.isfinite(unit).all() and (unit > 0).all()) or (np.abs(offset) > LARGEST).any():
        raise ArchiveError("a damaged block: a step that no block has")
    return Scale(unit, offset, powers), at


def _mask_to_bytes(mask: Mask, sides: Shape) -> bytes:
    """A mask as it is, or where it differs from the row before, whichever is shorter."""
    if not mask.any():
        return _blob(b"")
    rows = mask.reshape(sides[0], -1)
    changes = rows.copy()
    changes[1:] ^= rows[:-1]
    found = [bytes([i]) + planes.encode([np.packbits(bits)], False) for i, bits in enumerate((rows, changes))]
    return _blob(min(found, key=len))


def _mask_from_bytes(data: bytes, at: int, sides: Shape) -> tuple[Mask, int]:
    content, at = _from_blob(data, at)
    count = math.prod(sides)
    if not content:
        return np.zeros(count, np.bool_), at
    (packed,) = planes.decode(content[1:], [(-(-count // 8),)], np.dtype(np.uint8), False)
    rows = np.unpackbits(packed, count=count).astype(np.bool_).reshape(sides[0], -1)
    if content[0] > 1:
        raise ArchiveError("a damaged block: a mask that this narrows does not know")
    return (np.logical_xor.accumulate(rows, axis=0) if content[0] else rows).reshape(-1), at


def _values_to_bytes(values: Array) -> bytes:
    return _blob(planes.encode([values], False) if len(values) else b"")


def _values_from_bytes(data: bytes, at: int, count: int, dtype: np.dtype[np.generic]) -> tuple[Array, int]:
    content, at = _from_blob(data, at)
    if not count:
        return np.empty(0, dtype), at
    return planes.decode(content, [(count,)], dtype, False)[0], at
