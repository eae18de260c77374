"""The walk over a grid of numbers: each is predicted from its neighbours and coded by its distance from that.

Numbers are in sixteenths of a step; distances are whole steps, so that every number comes back within half a step.
How widely a distance varies is told by the distances and differences around it, and each such class has a table that
learns from what was coded.
Next door: `refinement` has the order and the neighbours; `interpolation` makes numbers of values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from narrows.archive.entries import Shape
from narrows.codecs.refinement import Group, code_order, groups, is_smooth, smooth_last
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import TOTAL, CumulativeTables, Doubles, Integers, from_weights
from narrows.errors import ArchiveError

# Part of the format.
STEP = 16  # of numbers
LARGEST = 1 << 40  # number, in size
_CLASSES, _REACH = 26, 40  # of tables; of a table, to each side
_LEARN = 16  # what a symbol adds to its weight
_TOGETHER = 1 << 14  # points whose tables are the same
_WEIGHT_BITS = (0, 6, 8, 10, 13)  # of the weights of neighbours, after the point; 0 where there are none
_WEIGHT_SIZE = 4  # at most
_HALF_OCTAVE = 0.7071067811865476
_FACTORS = (8, 16, 37, 65, 97, 129, 158, 182, 201, 215, 226, 235, 241, 245, 248)  # of 256; the last for all others
_EVEN = np.full(2, TOTAL // 2, np.int64)
_PRECISIONS = from_weights(np.ones(len(_WEIGHT_BITS), np.int64))

FIT_FROM, FIT_ROWS, CLOSE = 30, 60_000, 0.3  # the encoder's: points a weight, at least; rows it looks at; of a step


def code_numbers(coder: Coder, numbers: Doubles | None, sides: Shape, exact: npt.NDArray[np.bool_]) -> Integers:
    """Code numbers `(n,)` (None unless encoding) of a grid with these sides, all within `LARGEST`; returns what
    comes back, `(n,)`. Those that are `exact` `(n,)` are stored elsewhere, and only predicted here.

    Raises `ArchiveError` for what nobody encoded.
    """
    order = code_order(coder, None if numbers is None else smooth_last(numbers, sides), sides)
    given = None if numbers is None else np.array([is_smooth(numbers, sides)], np.int64)
    lines = bool(coder.one_table(given, 1, _EVEN)[0])
    back, sizes = np.zeros(len(exact), np.int64), np.zeros(len(exact), np.int64)
    tables = _Learning()
    if not exact[0]:
        first = None if numbers is None else np.rint(numbers[:1] / STEP).astype(np.int64)
        back[0] = STEP * tables.code(coder, first, np.full(1, _CLASSES - 1))[0]
    for group in groups(sides, order, lines):
        predicted = _predicted(coder, group, back, None if numbers is None else numbers[group.here], exact)
        spread = _spread(group, back, sizes, predicted)
        coded = np.flatnonzero(~exact[group.here])
        steps = np.zeros(len(group.here), np.int64)
        wanted = None if numbers is None else np.rint((numbers[group.here] - predicted) / STEP).astype(np.int64)
        for start in range(0, len(coded), _TOGETHER):
            at = coded[start : start + _TOGETHER]
            steps[at] = tables.code(coder, None if wanted is None else wanted[at], spread[at])
        if (np.abs(steps) > LARGEST).any():
            raise ArchiveError("a damaged block: a number that is too large")
        back[group.here] = predicted + STEP * steps
        sizes[group.here] = np.abs(steps)
    return back


def _predicted(
    coder: Coder, group: Group, back: Integers, wanted: Doubles | None, exact: npt.NDArray[np.bool_]
) -> Integers:
    """The mean of the two nearest on the axis, and, where the encoder fits weights, the others by their difference
    from it."""
    before, after = (group.values(back, offset) for offset in group.direct[:2])
    middle = before + after >> 1
    others = (group.direct[1], *group.further, *group.direct[2:])
    precision, weights = 0, None
    if wanted is not None and len(wanted) >= FIT_FROM * len(others):
        precision, weights = _fitted(group, others, back, middle, wanted, exact)
    precision = int(coder.one_table(None if wanted is None else np.array([precision]), 1, _PRECISIONS)[0])
    if precision:
        bits = _WEIGHT_BITS[precision]
        most = _WEIGHT_SIZE << bits
        table = np.full(2 * most, TOTAL // (2 * most), np.int64)
        weights = coder.one_table(None if weights is None else weights + most, len(others), table) - most
        sums = np.full(len(middle), 1 << bits - 1, np.int64)
        for offset, weight in zip(others, weights.tolist(), strict=True):
            sums += weight * (group.values(back, offset) - middle)
        middle = middle + (sums >> bits)
    predicted: Integers = np.clip(middle, -2 * LARGEST, 2 * LARGEST)
    return predicted


def _fitted(
    group: Group,
    offsets: Sequence[tuple[int, ...]],
    back: Integers,
    middle: Integers,
    wanted: Doubles,
    exact: npt.NDArray[np.bool_],
) -> tuple[int, Integers]:
    """The weights of least squared error, on some of the points, and the number of their precision."""
    some = slice(None, None, -(-len(wanted) // FIT_ROWS))
    rows = np.stack([(group.values(back, o) - middle)[some] for o in offsets], axis=1).astype(np.float64)
    known = ~exact[group.here[some]]
    rows, target = rows[known], (wanted - middle)[some][known]
    products = rows.T @ rows
    products[np.diag_indices(len(offsets))] += 1e-6 * np.trace(products) / len(offsets) + 1
    weights = np.linalg.solve(products, rows.T @ target)
    # Rounded weights move a prediction by this much in steps, if they have no bits after the point.
    moved = np.sqrt(np.trace(products) / max(1, len(rows)) / 12) / STEP
    enough = [bits >= np.log2(moved / CLOSE + 1e-9) for bits in _WEIGHT_BITS[1:]]
    precision = 1 + enough.index(True) if True in enough else len(_WEIGHT_BITS) - 1
    bits = _WEIGHT_BITS[precision]
    most = (_WEIGHT_SIZE << bits) - 1
    return precision, np.clip(np.rint(weights * (1 << bits)), -most, most).astype(np.int64)


def _spread(group: Group, back: Integers, sizes: Integers, predicted: Integers) -> Integers:
    """How widely the numbers vary around what is predicted: half octaves, from 0."""
    shares, total = np.zeros(len(group.here), np.int64), 0
    for offset in (*group.direct, *group.further):
        weight = 4 if offset in group.direct else 2 if sum(map(abs, offset)) == 2 else 1
        shares += weight * sizes[group.at(offset)]
        total += weight
    before, after = (group.values(back, offset) for offset in group.direct[:2])
    size = 2 * STEP * shares // total + np.minimum(np.abs(after - before) >> 3, 2 * STEP)
    size += np.minimum(np.abs(predicted - (before + after >> 1)) >> 2, 2 * STEP)
    fraction, exponent = np.frexp((size + 4).astype(np.float64))  # exact
    spread: Integers = 2 * (exponent.astype(np.int64) - 3) + (fraction >= _HALF_OCTAVE)
    return spread


class _Learning:
    """A table for each class of spread. In classes of many steps, the table has the upper bits of a distance."""

    def __init__(self) -> None:
        rows = []
        for number in range(_CLASSES):
            factor, row = _FACTORS[min(number, len(_FACTORS) - 1)], [1 << 12]
            for _ in range(_REACH):
                row.append(max(1, row[-1] * factor >> 8))
            both = np.array(row[:0:-1] + row, np.int64)
            rows.append(np.append(np.maximum(both * 512 // both.sum(), 1), 2))
        self._weights = np.stack(rows)  # (classes, symbols), the escape last

    def code(self, coder: Coder, steps: Integers | None, spread: Integers) -> Integers:
        """Code distances `(n,)` (None unless encoding) of these spreads; the tables learn from them."""
        number = np.minimum(spread, _CLASSES - 1)
        shift = np.clip(spread - 12 >> 1, 0, 12)
        tables = CumulativeTables(tuple(from_weights(self._weights)), (-_REACH,) * _CLASSES)
        upper = coder.by_table(None if steps is None else steps >> shift, number, tables)
        beyond = np.abs(upper) > _REACH
        for sign in (1, -1):  # tables stay symmetric
            symbols = np.where(beyond, 2 * _REACH + 1, sign * upper + _REACH)
            np.add.at(self._weights, (number, symbols), _LEARN)
        lower = np.zeros(len(upper), np.int64)
        for bits in np.unique(shift[shift > 0]).tolist():
            at = shift == bits
            given = None if steps is None else steps[at] & ((1 << bits) - 1)
            lower[at] = coder.one_table(given, int(at.sum()), np.full(1 << bits, TOTAL >> bits, np.int64))
        distances: Integers = (upper << shift) + lower
        return distances
