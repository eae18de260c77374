"""Signals without a model: whole numbers predicted by filters that learn from what has been decoded.

Next door: `entropy.lanes` has the walk; `fallback` has the other ways that need no model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.archive.varints import from_varints, to_varints
from narrows.codecs.base import Coded, Way
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.fallback import from_steps, to_steps
from narrows.entropy.bits import BitReader, BitWriter
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import Integers
from narrows.entropy.lanes import Layout, Walk
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

LANES, LEAST_PIECE = 128, 1 << 13  # signals are cut so that about so many lanes walk side by side, but not shorter
MOST_BITS = 32  # of a value
MOST_LEVELS = 1 << 12  # values that are told by their rank
VALUES_A_LEVEL = 16  # so many values there must be for each, so that telling the levels pays
MOST_FRAMES = 1 << 26  # of all lanes of a block together, zeros included


@dataclass(frozen=True)
class Plan:
    """What a block says before its code: how many frames a piece has at most; the numbers that were coded, from
    `low` to `high`, the mean error at the beginning, and the values that the numbers stand for: `first` + `unit` n,
    or, if there are `levels`, the level of that number."""

    piece: int
    first: int
    unit: int
    low: int
    high: int
    scale: int
    levels: Integers

    @classmethod
    def of(cls, samples: Sequence[Integers], channels: int) -> tuple[Plan, list[Integers]]:
        """For samples `(T, C)`, and the numbers to be coded for them."""
        lengths = [len(sample) for sample in samples]
        values = np.concatenate([sample.reshape(-1) for sample in samples])
        low, high = int(values.min()), int(values.max())
        levels = np.empty(0, np.int64)
        if high - low >= 2:
            levels = np.unique(values[: 1 << 14])
            levels = np.unique(values) if len(levels) <= MOST_LEVELS else np.empty(0, np.int64)
        unit = math.gcd(*np.diff(levels).tolist()) if len(levels) else _unit(values - low)
        rare = 4 * len(levels) <= (high - low) // unit and VALUES_A_LEVEL * len(levels) <= len(values)
        if not (0 < len(levels) <= MOST_LEVELS and rare):
            levels = np.empty(0, np.int64)
        if len(levels):
            numbers = [np.searchsorted(levels, sample) for sample in samples]
            first = unit = 0
        else:
            first = low + (int(np.median(values)) - low) // unit * unit
            numbers = [(sample - first) // unit for sample in samples]
        if len(levels):
            middle = len(levels) // 2
            numbers = [n - middle for n in numbers]
        moved = [float(np.abs(np.diff(n[:256], axis=0)).mean()) for n in numbers if len(n) > 1]
        scale = round(16 * float(np.mean(moved))) if moved else 0
        low, high = (int(f([f(n) for n in numbers])) for f in (np.min, np.max))
        return cls(_piece(lengths, channels), first, unit, low, high, scale, levels), numbers

    def to_bytes(self) -> bytes:
        """As numbers; signs in the lowest bit."""
        signed = [2 * abs(n) + (n < 0) for n in (self.first, self.low, self.high)]
        head = [self.piece, self.scale, *signed, self.unit, len(self.levels)]
        if not len(self.levels):
            return to_varints(head)
        lowest = int(self.levels[0])
        return to_varints([*head, 2 * abs(lowest) + (lowest < 0), *np.diff(self.levels).tolist()])

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple[Plan, int]:
        """The inverse, and how many bytes it takes; raises `ArchiveError` for other bytes."""
        (piece, scale, first, low, high, unit, count), at = from_varints(data, 0, 7)
        first, low, high = (int(-(n >> 1) if n & 1 else n >> 1) for n in (first, low, high))
        limit = 1 << MOST_BITS
        fits = piece > 0 and low <= 0 <= high and max(abs(first), abs(low), abs(high), int(unit)) <= limit
        if not fits or scale > limit << 4 or count > MOST_LEVELS:
            raise ArchiveError("a damaged block: numbers out of their limits")
        levels = np.empty(0, np.int64)
        if count:
            numbers, at = from_varints(data, at, int(count))
            numbers[0] = -(numbers[0] >> 1) if numbers[0] & 1 else numbers[0] >> 1
            levels = np.cumsum(numbers)
            if (
                max(abs(int(levels[0])), int(levels[-1])) > limit
                or low + count // 2 < 0
                or high + count // 2 >= count
            ):
                raise ArchiveError("a damaged block: levels out of their limits")
        return cls(int(piece), first, int(unit), low, high, int(scale), levels), at

    def values(self, numbers: Integers) -> Integers:
        """The values that numbers stand for; raises `ArchiveError` for numbers outside `low` to `high`."""
        if numbers.size and (numbers.min() < self.low or numbers.max() > self.high):
            raise ArchiveError("a damaged block: a value out of its range")
        if len(self.levels):
            return self.levels[numbers + len(self.levels) // 2]
        return self.first + self.unit * numbers


class SeriesWay(Way):
    """Signals `(T, C)` of integers of at most 32 bits; with an error, in steps."""

    def __init__(self, error: int) -> None:
        self.error = error

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        whole = dtype.kind in "ui" and 8 * dtype.itemsize <= MOST_BITS
        return whole and all(len(shape) == 2 and shape[1] == shapes[0][1] for shape in shapes)

    def encode(self, samples: Sequence[Array]) -> Coded:
        steps = to_steps(samples, self.error)
        channels = steps[0].shape[1]
        plan, numbers = Plan.of([s.astype(np.int64) for s in steps], channels)
        layout = Layout.of([len(s) for s in steps], channels, plan.piece)
        coder, bits = RangeEncoder(), BitWriter()
        self._walk(plan, layout, coder, bits, layout.to_lanes(numbers))
        code = coder.finish()
        data = plan.to_bytes() + to_varints([len(code)]) + code + bits.finish()
        return Coded(data, from_steps(steps, self.error))

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
        plan, at = Plan.from_bytes(data)
        (length,), at = from_varints(data, at, 1)
        if length > len(data) - at:
            raise ArchiveError("a damaged block: it ends before its code")
        lengths = [shape[0] for shape in shapes]
        layout = Layout.of(lengths, shapes[0][1], plan.piece)
        if layout.steps * len(layout.ends) > max(MOST_FRAMES, 2 * sum(map(math.prod, shapes))):
            raise ArchiveError("a damaged block: more lanes than samples need")
        coder, bits = RangeDecoder(data[at : at + int(length)]), BitReader(data[at + int(length) :])
        lanes = self._walk(plan, layout, coder, bits, None)
        coder.finish()
        bits.finish()
        values = [plan.values(sample) for sample in layout.to_samples(lanes, lengths)]
        limits = np.iinfo(dtype.name)
        if any(v.min() < limits.min or v.max() > limits.max for v in values):
            raise ArchiveError(f"a damaged block: a value outside {dtype}")
        return from_steps([v.astype(dtype) for v in values], self.error)

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        return list(numbers)

    def _walk(
        self, plan: Plan, layout: Layout, coder: Coder, bits: BitWriter | BitReader, given: Integers | None
    ) -> Integers:
        return Walk(layout, plan.low, plan.high, plan.scale).code(coder, bits, given)


def _piece(lengths: Sequence[int], channels: int) -> int:
    """How many frames a piece has at most, so that there are enough lanes."""
    return min(max(lengths), max(LEAST_PIECE, -(-channels * sum(lengths) // LANES)))


def _unit(values: Integers) -> int:
    """The largest number that divides all values, which are not negative; 1 if they are all 0."""
    return max(1, int(np.gcd.reduce(values)))


def open_series(promise: Promise, model: CompactModel | None) -> Way:
    """The way of signals without a model."""
    return SeriesWay(promise.steps)
