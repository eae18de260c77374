"""Blocks of values that come back within an error: what the error is for an array, and the check of every value.

Next door: `interpolation` codes the values; `block` stores them exactly where that takes less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.digest import digest_of
from narrows.archive.entries import Entry, Shape
from narrows.archive.layout import BLOCK_BYTES, BLOCK_SAMPLES
from narrows.archive.promise import Promise
from narrows.codecs.base import INTERPOLATION
from narrows.codecs.block import BlockCodec
from narrows.codecs.cores import one_core
from narrows.codecs.interpolation import MOST_SIDES, TOGETHER, Mask, Scale, decoded, encoded, largest_error, whole
from narrows.codecs.walk import LARGEST, STEP
from narrows.entropy.cumulative import Doubles
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

CLOSER = 1 - 2.0**-20  # of a step, so that rounding to the values' precision seldom leaves the bound
WORTH_IT = 0.5  # of the raw bytes: blocks that take more are also tried exactly
MOST_CORRECTED = 0.25  # of the values
LOOKED_AT = 1 << 12  # rows, for the middle of the values


def is_bounded(promise: Promise, dtype: np.dtype[np.generic]) -> bool:
    """Whether values of a dtype come back within an error of their own array: floats, and integers where the error
    is a share. (Other integers have the same steps everywhere.)"""
    return bool(promise.max_error) and (dtype.kind == "f" or (dtype.kind in "ui" and promise.of != "absolute"))


@dataclass(frozen=True)
class Bound:
    """How far the values of an array may be off: `error` `(1,)`, or `(D,)` where each of D columns has its own. It is
    a share of each value with `of_value`. The largest error is told in units of `span`. Values that equal `missing`
    come back exactly."""

    error: Doubles
    span: Doubles
    of_value: bool = False
    missing: float | None = None

    def exact(self, values: Array) -> Mask:
        """Which of the values `(n,)` come back as they are."""
        found = ~np.isfinite(values) | is_missing(values, self.missing)
        return found | (values == 0) if self.of_value else found


def is_missing(values: Array, missing: float | None) -> Mask:
    """Which values are the one that marks what is missing, in their own precision."""
    if missing is None:
        return np.zeros(values.shape, np.bool_)
    with np.errstate(over="ignore"):
        mark = values.dtype.type(missing) if values.dtype.kind == "f" else missing
    found: Mask = np.equal(values, mark)
    return found


def bound_of(promise: Promise, chunks: Iterable[Array], columns: int = 0, missing: float | None = None) -> Bound:
    """The bound of an array that is read once, in chunks `(n, ...)`, if the promise is a share of its range: of all
    finite values, or of those of each of its `columns`."""
    assert promise.max_error is not None
    one = np.ones(1)
    if promise.of != "range":
        return Bound(one * promise.max_error, one, promise.of == "value", missing)
    low, high = np.full(max(1, columns), np.inf), np.full(max(1, columns), -np.inf)
    for chunk in chunks:
        flat = chunk.reshape(-1)
        for start in range(0, len(flat), TOGETHER - TOGETHER % max(1, columns)):
            part = flat[start : start + TOGETHER - TOGETHER % max(1, columns)]
            out = ~np.isfinite(part) | is_missing(part, missing)
            values = part.astype(np.float64)
            for found, ends, least in ((low, np.minimum, np.inf), (high, np.maximum, -np.inf)):
                rows = np.where(out, least, values).reshape(-1, len(low))
                ends(found, ends.reduce(rows, axis=0), out=found)
    some = high >= low
    half = np.where(some, high, 0) / 2 - np.where(some, low, 0) / 2  # the whole may be beyond what a double holds
    with np.errstate(over="ignore"):
        error = np.minimum(half * (2 * promise.max_error), np.finfo(np.float64).max)
        span = np.where(half > 0, np.minimum(half * 2, np.finfo(np.float64).max), 1.0)
    return Bound(error, span, missing=missing)


def samples_in_block(shape: Shape, itemsize: int, wanted: int | None = None) -> int:
    """How many samples are predicted from each other, if not as many as `wanted`."""
    values = math.prod(shape)
    most = max(1, min(BLOCK_SAMPLES, BLOCK_BYTES // (values * itemsize)))
    return min(most, max(1, TOGETHER // values) if wanted is None else wanted)


class Bounded:
    """Blocks of one array within a bound."""

    def __init__(self, codec: BlockCodec, bound: Bound, entry: Entry, verify: bool = True) -> None:
        self._codec, self._bound, self._verify = codec, bound, verify
        self._form = entry.shape if entry.form is None else entry.form

    def blocks(self, chunks: Iterable[Array]) -> Iterator[Block]:
        """A block for each chunk `(n, *shape)` of samples."""
        for chunk in chunks:
            yield self.block(np.ascontiguousarray(chunk).astype(chunk.dtype.newbyteorder("="), copy=False))

    def block(self, samples: Array) -> Block:
        """The block of samples `(n, *shape)`, stored exactly where that takes fewer bytes."""
        with one_core(always=True):
            found = self._within(samples)
        if found is not None and len(found.payload) <= WORTH_IT * samples.nbytes:
            return found
        exact = self._codec.encode(list(samples), self._verify)
        return exact if found is None or len(exact.payload) <= len(found.payload) else found

    def _within(self, samples: Array) -> Block | None:
        values, bound = samples.reshape(-1), self._bound
        columns = len(bound.error) > 1
        sides = (len(samples), len(bound.error)) if columns else _sides((len(samples), *self._form))
        exact = bound.exact(values)
        scale = _scale(values, bound, exact)
        if exact.all():
            return None
        coded = encoded(sides, values, scale, exact)
        if coded is None:
            return None
        data, back = coded
        apart, wrong = _apart(values, back, bound)
        wrong &= ~exact
        if wrong.mean() > MOST_CORRECTED:
            return None
        back[wrong], apart[wrong | exact] = values[wrong], 0
        payload = whole(data, float(apart.max()), wrong, values)
        if self._verify and decoded(payload, len(values), values.dtype).tobytes() != back.tobytes():
            raise ArchiveError("internal error: a block does not decode to what was promised; please report it")
        shapes, dtype = (samples.shape[1:],) * len(samples), samples.dtype.name
        return Block(bytes([INTERPOLATION]) + payload, digest_of([back]), shapes, dtype, self._codec.promise)


def error_in(payload: bytes) -> float | None:
    """The largest error in a block, in the units of the promise; None for one of another way."""
    return largest_error(payload[1:]) if payload[:1] == bytes([INTERPOLATION]) else None


def _sides(sides: Shape) -> Shape:
    """Those of more than one, the first of them together where there are too many."""
    found = tuple(side for side in sides if side > 1) or (1,)
    extra = max(0, len(found) - MOST_SIDES)
    return (math.prod(found[: extra + 1]), *found[extra + 1 :])


def _scale(values: Array, bound: Bound, exact: Mask) -> Scale:
    """Steps of twice the error, and the middle of the values; columns without a step become `exact`."""
    error, width = bound.error, len(bound.error)
    if bound.of_value:
        unit = np.log2(1 + error)
    elif values.dtype.kind in "ui":
        unit = np.floor(error) + 0.5
        unit[error < 1] = 0
    else:
        unit = error.copy()
    unit *= 2 * CLOSER / STEP
    rows = values.reshape(-1, width)[:: -(-len(values) // (width * LOOKED_AT))].astype(np.float64)
    rows[exact.reshape(-1, width)[:: -(-len(values) // (width * LOOKED_AT))]] = np.nan
    with np.errstate(all="ignore"):
        numbers = np.sort((np.log2(np.abs(rows)) if bound.of_value else rows) / unit, axis=0)  # NaN comes last
    known = np.count_nonzero(~np.isnan(numbers), axis=0)
    middle = np.take_along_axis(numbers, np.maximum(known - 1, 0)[None] // 2, axis=0)[0]
    fits = (unit > 0) & ~(np.abs(numbers) >= LARGEST / 2).any(axis=0)
    exact.reshape(-1, width)[:, ~fits] = True
    offset = np.rint(np.where(fits & (known > 0), middle, 0)).astype(np.int64)
    return Scale(np.where(fits, unit, 1.0), offset, bound.of_value)


def _apart(values: Array, back: Array, bound: Bound) -> tuple[Doubles, Mask]:
    """How far values are from what comes back, in units of the bound and in doubles; and which are outside of it."""
    width, apart, wrong = len(bound.error), np.empty(len(values)), np.empty(len(values), np.bool_)
    each = TOGETHER - TOGETHER % width if width <= TOGETHER else len(values)
    for start in range(0, len(values), each):
        part = slice(start, start + each)
        found, size = _distance(values[part], back[part]).reshape(-1, width), bound.span
        if bound.of_value:
            size = np.where(values[part] == 0, 1.0, np.abs(values[part].astype(np.float64))).reshape(-1, 1)
        with np.errstate(all="ignore"):
            wrong[part] = ~(found <= (bound.error * size if bound.of_value else bound.error)).reshape(-1)
            apart[part] = (found / size).reshape(-1)
    return apart, wrong


def _distance(values: Array, back: Array) -> Doubles:
    if values.dtype.kind == "f":
        with np.errstate(all="ignore"):
            distance: Doubles = np.abs(values.astype(np.float64) - back.astype(np.float64))
            return distance
    apart = np.maximum(values, back) - np.minimum(values, back)  # wraps around to what it is without a sign
    return apart.view(f"u{apart.itemsize}").astype(np.float64)
