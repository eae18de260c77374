"""What the columns of a table hold, and tables as vectors: the values of all columns, then which of them are known.

A number is one value, scaled to 0..1 by the range of its column; a category is one-hot. Missing values are 0, and so
is what a column cannot hold. Next door: `io.csv` reads the cells, `numbers` the numbers in them; `notation` tells how
another table writes them; `degradations.cells` hides some.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from narrows.checks import brief
from narrows.data.numbers import Style, is_code, style_of
from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.csv import Table

CATEGORIES_MOST = 64  # per column; with more it is free text
FAR = 1e6  # times the range of a column: numbers further away tell a network nothing
WIDTH_MOST = 512  # values per row
DECIMALS_MOST = 12  # with more, numbers are written with six significant digits
# What stands for a missing cell beside nothing, among words in these spellings, unless it is a category.
NANS = frozenset("NaN nan NAN -NaN -nan".split())
MARKS = NANS | {"#N/A N/A", *"NA na N/A n/a #N/A #n/a #NA N.A. n.a. N.A n.a <NA> NULL null None ? - -- .".split()}
MARKS |= frozenset("1.#IND -1.#IND 1.#QNAN -1.#QNAN".split())
# Among numbers, in any case.
_NANS = frozenset(map(str.lower, NANS))
_MARKS = frozenset(map(str.lower, MARKS)) | {"missing"}
_CODES = {"NA": re.compile(r"[A-Z]{2}"), "na": re.compile(r"[a-z]{2}")}  # of countries: among such, NA is Namibia


@dataclass(frozen=True)
class Column:
    """One column: numbers from `low` to `high`, `categories`, or free text, which is not used.

    Numbers are written with `decimals` digits after the point, rounded first if `whole`, with a decimal `comma` if
    set, with thousands parted by `group`. What stands for a missing cell is in `marks`, numbers by their value and
    words in any case, or else the usual words, which are `MARKS`.
    """

    name: str
    kind: Literal["number", "category", "text"] = "number"
    low: float = 0.0
    high: float = 1.0
    decimals: int = DECIMALS_MOST + 1
    whole: bool = False
    comma: bool = False
    categories: tuple[str, ...] = ()
    group: str = ""
    marks: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """The number of values per cell."""
        return {"number": 1, "category": len(self.categories), "text": 0}[self.kind]

    @cached_property
    def style(self) -> Style:
        """How its numbers are written."""
        return Style("," if self.comma else ".", self.group)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        fields = {**asdict(self), "categories": list(self.categories), "marks": list(self.marks)}
        return {name: value for name, value in fields.items() if value or name not in ("group", "marks")}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Column:
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError on other content."""
        lists = {name: tuple(str(word) for word in fields.get(name, ())) for name in ("categories", "marks")}
        column = cls(**{**fields, **lists})
        if column.kind not in ("number", "category", "text") or not column.low <= column.high:
            raise ValueError(f"column {column.name!r}")
        if not isinstance(column.group, str) or len(column.group) > 1:
            raise ValueError(f"column {column.name!r}")
        return column

    def missing(self, cell: str) -> bool:
        """Whether a cell is missing: empty, NaN, or a mark of it."""
        cell = cell.strip()
        if not cell or cell in self.categories:
            return not cell or cell in self.marks
        if self.marks and self._is_mark(cell):
            return True
        return _usual(cell, self.marks, self.kind == "number") and not _means(cell, self.categories)

    def _is_mark(self, cell: str) -> bool:
        if cell.lower() in self._marks[0]:
            return True
        number = None if self.kind == "text" or is_code(cell) else self.style.number(cell)
        return number is not None and number in self._marks[1]

    @cached_property
    def _marks(self) -> tuple[frozenset[str], frozenset[float | None]]:
        """The marks in lower case, and the numbers that they are."""
        numbers = [self.style.number(mark) for mark in self.marks]
        plain = [Style().number(mark) for mark in self.marks]  # as people type them, between decimal commas too
        values = [other if number is None else number for number, other in zip(numbers, plain, strict=True)]
        return frozenset(mark.strip().lower() for mark in self.marks), frozenset(values)

    def number(self, cell: str) -> float | None:
        """The number in a cell; None for a cell that is missing, no number, or too far from the others."""
        number = None if self.missing(cell) else self.style.number(cell)
        if number is None:
            return None
        span = self.high / 2 - self.low / 2 or 1.0
        return number if abs(number / 2 - self.low / 2) / span <= FAR else None

    def scaled(self, numbers: Array) -> Array:
        """Numbers to 0..1."""
        half = 0.5  # of everything, since the range of the largest numbers is none
        return (numbers * half - self.low * half) / (self.high * half - self.low * half or 1.0)

    def unscaled(self, values: Array) -> Array:
        """The inverse, within the range of the column."""
        part = np.clip(values.astype(np.float64), 0, 1)
        return np.clip(self.low * (1 - part) + self.high * part, self.low, self.high)

    def written(self, values: Array) -> str:
        """A cell from its values `(width,)`."""
        if self.kind == "category":
            return self.categories[int(values.argmax())]
        return self.text(float(self.unscaled(values)[0]))

    def text(self, number: float) -> str:
        """A number as those of this column are written."""
        if self.decimals > DECIMALS_MOST:
            return f"{number:.6g}".replace(".", self.style.point)
        return self.style.text(float(round(number)) if self.whole else number, self.decimals)


def columns_of(table: Table, marks: Sequence[str] = ()) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """What each column holds, inferred from the known cells, and notes on what was decided. With `marks`, these
    numbers and words and no others stand for missing cells, beside nothing and NaN.

    Raises `DataError` for a table of free text alone, and one that is too wide.
    """
    found = [
        (Column(name, "text"), []) if name in table.others else _column(name, cells, table.delimiter, tuple(marks))
        for name, cells in zip(table.names, zip(*table.cells, strict=True), strict=True)
    ]
    columns, notes = tuple(column for column, _ in found), [note for _, more in found for note in more]
    notes += marked(columns, table, marks) + _meant(columns)
    width = sum(column.width for column in columns)
    if width == 0:
        raise DataError(
            f"{table.source}: all columns are free text, or empty; one of numbers or categories is needed"
        )
    if width > WIDTH_MOST:
        raise DataError(
            f"{table.source}: the columns make {width} values per row, one for each category; allowed are "
            f"{WIDTH_MOST}; leave out columns"
        )
    return columns, tuple(notes)


def _column(name: str, cells: Sequence[str], delimiter: str, marks: tuple[str, ...]) -> tuple[Column, list[str]]:
    """One column, and what people should know about how it was read."""
    told = f"column {name!r}"
    blank = Column(name, "text", marks=marks)
    known = [cell.strip() for cell in cells if not blank.missing(cell)]
    style = style_of([cell for cell in known if not _usual(cell, marks, True)], delimiter)
    if style is None:
        column = Column(name, "category", marks=marks)
    else:
        column = Column(name, comma=style.style.point == ",", group=style.style.group, marks=marks)
    known = [cell for cell in known if not column.missing(cell)]  # without marks that are the same number
    if not known:
        return blank, [f"{told} has no known cell: left as it is"]
    if style is not None:
        values = np.array([style.style.number(cell) for cell in known], np.float64)
        whole = bool((values == np.round(values)).all())
        decimals = max(_decimals(cell, style.style.point) for cell in known)
        low, high = float(values.min()), float(values.max())
        column = replace(column, low=low, high=high, decimals=decimals, whole=whole)
        return column, [f"{told}: {style.note}"] * bool(style.note)
    seen = set(known)
    if not marks:
        seen |= {mark for mark in MARKS.intersection(map(str.strip, cells)) if _means(mark, seen)}
    if len(seen) > min(CATEGORIES_MOST, max(2, len(known) // 2)):
        odd = next((cell for cell in known if style_of([cell], delimiter) is None), known[0])
        return blank, [f"{told} is free text, such as {brief(odd)}: kept as it is and not used"]
    return replace(column, categories=tuple(sorted(seen))), []


def marked(columns: Sequence[Column], table: Table, marks: Sequence[str] = ()) -> list[str]:
    """What people should know about words that stand for missing cells, and about `marks` that stand nowhere."""
    found: dict[str, dict[str, int]] = {}
    nowhere = dict.fromkeys(marks)
    for column, texts in zip(columns, zip(*table.cells, strict=True), strict=True):
        words = Counter(text.strip() for text in texts if text.strip() and text.strip().lower() != "nan")
        for mark in list(nowhere):
            if any(map(replace(column, marks=(mark,)).missing, words)):
                del nowhere[mark]
        for word, count in words.items():
            if column.kind != "text" and column.missing(word):
                found.setdefault(word, {})[column.name] = count
    notes = []
    for word, counts in found.items():
        first, more = next(iter(counts)), f" and {len(counts) - 1} more columns" * (len(counts) > 1)
        times = sum(counts.values())
        notes.append(
            f"column {first!r}{more}: {word!r} counts as missing, {times} times; 'narrows train "
            "--missing-value' says what does"
        )
    return notes + [
        f"no cell is {mark!r}, which was given as a missing value: see how it is written" for mark in nowhere
    ]


def _meant(columns: Sequence[Column]) -> list[str]:
    """What people should know about categories that could stand for missing cells."""
    return [
        f"column {column.name!r}: {word!r} is a category{' as other codes are' * (word in _CODES)}; --missing-value "
        f"{word} says otherwise"
        for column in columns
        for word in column.categories
        if word.lower() in _MARKS and not column.marks
    ]


def _decimals(cell: str, point: str) -> int:
    """Digits after the point; more than are written for a number with an exponent."""
    if "e" in cell.lower():
        return DECIMALS_MOST + 1
    return min(len(cell.partition(point)[2]), DECIMALS_MOST + 1)


def _usual(cell: str, marks: tuple[str, ...], numbers: bool) -> bool:
    """Whether a word usually stands for a missing cell, beside such `marks` or none; among numbers in any case."""
    return cell in (NANS if marks else MARKS) or (numbers and cell.lower() in (_NANS if marks else _MARKS))


def _means(mark: str, words: Collection[str]) -> bool:
    """Whether a word that usually stands for a missing cell is a code or a sign, as these words are."""
    if mark in _CODES:
        return len(words) > 1 and all(map(_CODES[mark].fullmatch, words))
    return mark == "-" and "+" in words


def encode(table: Table, columns: tuple[Column, ...]) -> npt.NDArray[np.float32]:
    """Vectors `(N, 2W)`: values, then 1 where they are known: neither missing, nor text among numbers, nor a category
    that was never seen."""
    values: list[Array] = []
    known: list[Array] = []
    for column, cells in zip(columns, zip(*table.cells, strict=True), strict=True):
        if column.kind == "text":
            continue
        if column.kind == "number":
            found = [column.number(cell) for cell in cells]
            there = np.array([number is not None for number in found])
            part = column.scaled(np.array([number or 0.0 for number in found], np.float64))[:, None]
        else:
            places = {category: place for place, category in enumerate(column.categories)}
            index = np.array([places.get(cell.strip(), -1) for cell in cells])
            there = index >= 0
            part = (index[:, None] == np.arange(column.width)).astype(np.float64)
        values.append(part * there[:, None])
        known.append(np.repeat(there[:, None], column.width, axis=1))
    return np.concatenate([*values, *known], axis=1).astype(np.float32)
