"""Rows of scikit-learn, arrays of numbers or data frames, as the vectors that networks take, and back.

Next door: `given` checks them; `data.columns` does the same for tables in files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.data.columns import CATEGORIES_MOST, WIDTH_MOST, Column
from narrows.errors import DataError
from narrows.io.frames import is_numeric
from narrows.sklearn.given import check_span, word

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
UNLIKE = 16  # times the range of a column: a wider one does not serve it
FEW = 5  # rows that have another value than all others tell nothing about the range of a column
FAR = 100  # spreads from the middle: values further off leave no room for the others in one range
BEYOND = 1e9  # times the range of a column: values further off count as so far
MIDDLE = (25.0, 50.0, 75.0)  # percentiles that say where most values of a column lie


@dataclass(frozen=True)
class Scale:
    """How the numbers of a column become 0..1: by their range, or, if `spread` is above 0, first by the inverse
    hyperbolic sine of their distance from the `middle` in spreads, so that a few that lie far off leave room for the
    others."""

    low: float
    high: float
    middle: float = 0.0
    spread: float = 0.0

    def scaled(self, numbers: Doubles) -> Doubles:
        """Numbers to 0..1, beyond it for those outside the range."""
        with np.errstate(over="ignore"):
            scaled = (self._bent(numbers) - self.low) / ((self.high - self.low) or 1.0)
        return np.clip(scaled, -BEYOND, BEYOND)

    def unscaled(self, values: Doubles) -> Doubles:
        """The inverse."""
        bent = values * ((self.high - self.low) or 1.0) + self.low
        return self.middle + self.spread * np.sinh(bent) if self.spread else bent

    def _bent(self, numbers: Doubles) -> Doubles:
        return np.arcsinh((numbers - self.middle) / self.spread) if self.spread else numbers


def scale_of(numbers: Doubles, bent: bool) -> Scale:
    """The scale of a column `(N,)`."""
    if not bent:
        return Scale(float(numbers.min()), float(numbers.max()))
    middle, spread = _middle(numbers)
    away = np.arcsinh((numbers - middle) / spread)
    return Scale(float(away.min()), float(away.max()), middle, spread)


def _middle(numbers: Doubles) -> tuple[float, float]:
    """The middle of numbers, and how far most of them spread: of a normal distribution, its deviation."""
    first, middle, third = np.percentile(numbers, MIDDLE)
    return float(middle), float((third - first) / 1.35 or numbers.std() or 1.0)


@dataclass(frozen=True, repr=False)
class Rows:
    """The columns of the data that an estimator was fitted to. A column of numbers has a scale, one of words the
    categories."""

    columns: tuple[Scale | Column, ...]

    def __repr__(self) -> str:
        words = self.numbers.count(False)
        return f"Rows({len(self.columns) - words} columns of numbers, {words} of words)"

    @property
    def width(self) -> int:
        """The number of values in a vector."""
        return sum(1 if isinstance(each, Scale) else each.width for each in self.columns)

    @property
    def numeric(self) -> bool:
        """Whether all columns hold numbers."""
        return all(self.numbers)

    @property
    def numbers(self) -> tuple[bool, ...]:
        """Whether each column holds numbers."""
        return tuple(isinstance(each, Scale) for each in self.columns)

    def encode(self, X: Any) -> Floats:
        """Vectors `(N, W)` of checked data, in 0..1 as far as they lie in the range of those that were fitted."""
        parts = []
        for each, values in zip(self.columns, _columns(X), strict=True):
            if isinstance(each, Scale):
                parts.append(each.scaled(np.asarray(values, np.float64))[:, None])
            else:
                places = {category: place for place, category in enumerate(each.categories)}
                index = np.array([places.get(word(value), -1) for value in values])
                parts.append(index[:, None] == np.arange(each.width))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def decode(self, vectors: Doubles) -> npt.NDArray[Any]:
        """The inverse: an array `(N, D)` of numbers, or of objects where a column holds words."""
        found, at = [], 0
        for each in self.columns:
            if isinstance(each, Scale):
                found.append(each.unscaled(vectors[:, at]))
                at += 1
            else:
                chosen = vectors[:, at : at + each.width].argmax(axis=1)
                found.append(np.array(each.categories, object)[chosen])
                at += each.width
        if self.numeric:
            return np.column_stack(found)
        made = np.empty((len(vectors), len(found)), object)
        for n, values in enumerate(found):
            made[:, n] = values
        return made


def alike(numbers: Doubles, bent: bool) -> bool:
    """Whether one range serves all columns `(N, D)`, as it does pixels: each has a range of about its size, or hardly
    ever another value than one, as pixels at the border. If they are to be bent, no value lies far off either."""
    with np.errstate(over="ignore"):
        narrow = numbers[:, np.ptp(numbers, axis=0) < np.ptp(numbers) / UNLIKE]
    if ((narrow != np.median(narrow, axis=0)).sum(axis=0) > FEW).any():
        return False
    middle, spread = _middle(numbers)
    return not bent or bool(np.abs(numbers - middle).max() <= FAR * spread)


def rows_of(X: Any, bent: bool) -> Rows:
    """The columns of checked data; where one range serves them all, in that."""
    columns: list[Scale | Column] = []
    for values in filter(is_numeric, _columns(X)):
        check_span(np.asarray(values, np.float64).min(), np.asarray(values, np.float64).max())
    if isinstance(X, np.ndarray) and alike(X, bent):
        return Rows((Scale(float(X.min()), float(X.max())),) * X.shape[1])
    for n, values in enumerate(_columns(X)):
        if is_numeric(values):
            columns.append(scale_of(np.asarray(values, np.float64), bent))
            continue
        words = sorted({word(value) for value in values})
        if len(words) > CATEGORIES_MOST:
            raise DataError(
                f"column {X.columns[n]!r} has {len(words)} different words; at most {CATEGORIES_MOST} are taken as "
                "categories; leave it out"
            )
        columns.append(Column(str(n), "category", categories=tuple(words)))
    made = Rows(tuple(columns))
    if not made.numeric and made.width > WIDTH_MOST:
        raise DataError(f"the columns make {made.width} values per row; allowed are {WIDTH_MOST}; leave some out")
    return made


def _columns(X: Any) -> list[Any]:
    if hasattr(X, "iloc"):
        return [X.iloc[:, n] for n in range(X.shape[1])]
    return list(X.T)
