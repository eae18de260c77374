"""The order in which the points of a grid come: a coarse one first, then axis by axis the points between, so that
each is predicted from neighbours on several sides.

Whole numbers throughout; any number of axes. `walk` predicts and codes the points; FORMAT.md has every rule.
Next door: `interpolation` is the way of coding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from narrows.archive.entries import Shape
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import TOTAL, Integers
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

Offset = tuple[int, ...]

SMOOTH = 0.25  # the encoder's: of the slope, at most, by which it changes where lines serve


@dataclass(frozen=True)
class Group:
    """Points that are predicted together, and where their neighbours are. `here` `(n,)` are the points, as indices of
    the flattened grid, halfway between others on the `axis` that is refined. `direct` are the offsets of the nearest
    neighbours, at least two, and `further` those of others, all in units of the strides. Beyond an end is what is
    nearest to it, or, with `lines`, what the line through the two nearest gives."""

    here: Integers
    axis: int
    direct: tuple[Offset, ...]
    further: tuple[Offset, ...]
    places: tuple[Integers, ...]
    sides: Shape
    strides: Shape
    lines: bool

    def at(self, offset: Offset) -> Integers:
        """The indices of the neighbours at an offset; beyond an end, those of the nearest that are known."""
        return self._near(offset)[0]

    def values(self, grid: Integers, offset: Offset) -> Integers:
        """The values of the neighbours at an offset."""
        near, before, beyond = self._near(offset)
        found: Integers = grid[near]
        if beyond is not None and self.lines:
            found[beyond] += found[beyond] - grid[before[beyond]]
        return found

    def _near(self, offset: Offset) -> tuple[Integers, Integers, npt.NDArray[np.bool_] | None]:
        """The nearest known points, those one further from the end, and which are not at the offset itself."""
        near = np.zeros(len(self.here), np.int64)
        before, beyond = near, None
        for axis, (place, steps, side, stride) in enumerate(
            zip(self.places, offset, self.sides, self.strides, strict=True)
        ):
            at = further = place
            if steps:
                apart = stride * (2 if axis == self.axis or not offset[self.axis] else 1)
                sign = 1 if steps > 0 else -1
                at = place + steps * stride
                outside = (at < 0) | (at >= side)
                further = at
                if outside.any():
                    for _ in range(2):
                        at = np.where((at < 0) | (at >= side), at - sign * apart, at)
                    at = np.where((at < 0) | (at >= side), place - stride, at)
                    further = at - sign * apart
                    further = np.where(~outside | (further < 0) | (further >= side), at, further)
                    beyond = outside if beyond is None else beyond | outside
            near, before = near * side + at, before * side + further
        return near, before, beyond


def first_strides(sides: Shape) -> list[int]:
    """Of each axis, the stride of its first refinement; 0 for an axis of one point."""
    return [1 << (side - 1).bit_length() - 1 if side > 1 else 0 for side in sides]


def code_order(coder: Coder, order: Sequence[int] | None, sides: Shape) -> list[int]:
    """Code which axis is refined after which; raises `ArchiveError` for an axis that is refined too often."""
    left = [stride.bit_length() for stride in first_strides(sides)]
    count, axes = sum(left), len(sides)
    shares = np.full(axes, TOTAL // axes, np.int64)
    shares[0] += TOTAL - int(shares.sum())
    given = None if order is None else np.array(order, np.int64)
    coded: list[int] = coder.one_table(given, count, shares).tolist() if axes > 1 and count else [0] * count
    for axis in coded:
        left[axis] -= 1
    if any(left):
        raise ArchiveError("a damaged block: an axis is refined too often")
    return coded


def smooth_last(values: Array, sides: Shape) -> list[int]:
    """An order that refines, at each time, the axis along which points are farthest from the mean of their
    neighbours."""
    strides, order = first_strides(sides), []
    grid = values.reshape(sides)

    def roughness(axis: int) -> float:
        known = [slice(None) if a == axis else slice(None, None, max(1, 2 * s)) for a, s in enumerate(strides)]
        lines, step = np.moveaxis(grid[tuple(known)], axis, 0), strides[axis]
        if len(lines) <= 2 * step:
            return float(np.abs(lines[step:] - lines[:-step]).mean())
        return float(np.abs(lines[step:-step] - (lines[2 * step :] + lines[: -2 * step]) / 2).mean())

    while any(strides):
        axis = max((a for a, stride in enumerate(strides) if stride), key=roughness)
        order.append(axis)
        strides[axis] >>= 1
    return order


def is_smooth(values: Array, sides: Shape) -> bool:
    """Whether the line through two neighbours is far closer to the next one than the nearer of them is."""
    grid, first, second = values.reshape(sides), 0.0, 0.0
    for axis, side in enumerate(sides):
        if side > 2:
            slopes = np.diff(np.moveaxis(grid, axis, 0), axis=0)
            first += float(np.abs(slopes).mean())
            second += float(np.abs(np.diff(slopes, axis=0)).mean())
    return second < SMOOTH * first


def groups(sides: Shape, order: Sequence[int], lines: bool = False) -> Iterator[Group]:
    """All points but the first, in the order in which they are coded. A refinement of an axis adds the points halfway
    between those that are known: first those whose places on the other axes sum to an even number, then the rest,
    which have those as neighbours too."""
    axes = range(len(sides))
    strides = [2 * stride or 1 for stride in first_strides(sides)]
    for axis in order:
        strides[axis] >>= 1
        points = [
            np.arange(strides[a] if a == axis else 0, sides[a], strides[a] * (2 if a == axis else 1)) for a in axes
        ]
        others = [a for a in axes if a != axis and len(points[a]) > 1]
        parity = np.zeros([len(p) for p in points], np.int64)
        for a in others:
            parity += (np.arange(len(points[a])) & 1).reshape([-1 if b == a else 1 for b in axes])
        around = _around(axis, others, len(sides))
        between = [_single(a, side, len(sides)) for a in others for side in (-1, 1)]
        for half in (0, 1):
            chosen = np.nonzero(parity & 1 == half)
            if not len(chosen[0]):
                continue
            places = tuple(points[a][chosen[a]] for a in axes)
            here = np.zeros(len(places[0]), np.int64)
            for place, side in zip(places, sides, strict=True):
                here = here * side + place
            direct = (*around[:2], *(between if half else ()))
            yield Group(here, axis, direct, around[2:], places, sides, tuple(strides), lines)


def _around(axis: int, others: Sequence[int], axes: int) -> tuple[Offset, ...]:
    """The offsets of what is known on both sides of a point on the axis that is refined, the nearest first; at most
    one step off on three other axes, and three steps along the axis."""
    found = []
    for moves in itertools.product((0, -1, 1), repeat=len(others)):
        if sum(map(abs, moves)) <= 1 or len(others) <= 2:
            for side in (-1, 1):
                offset = [0] * axes
                offset[axis] = side
                for other, move in zip(others, moves, strict=True):
                    offset[other] = move
                found.append(tuple(offset))
    found.sort(key=lambda offset: sum(map(abs, offset)))  # stable
    return *found, _single(axis, -3, axes), _single(axis, 3, axes)


def _single(axis: int, steps: int, axes: int) -> Offset:
    return tuple(steps if a == axis else 0 for a in range(axes))
