"""What the columns of a table hold, and tables as vectors: the values of all columns, then which of them are known.

A number is one value, scaled to 0..1 by the range of its column; a category is one-hot. Missing values are 0.
Next door: `io.csv` reads the cells, `degradations.cells` hides some.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from narrows.checks import brief
from narrows.errors import DataError, ModelError
from narrows.io.arrays import Array
from narrows.io.csv import Table, is_missing

CATEGORIES_MOST = 64  # per column; with more it is free text
WIDTH_MOST = 512  # values per row
DECIMALS_MOST = 12  # with more, numbers are written with six significant digits
_NUMBER = re.compile(r"\s*[+-]?(\d+[.]?\d*|[.]\d+)([eE][+-]?\d{1,3})?\s*\Z")


@dataclass(frozen=True)
class Column:
    """One column: numbers from `low` to `high`, `categories`, or free text, which is not used.

    Numbers are written with `decimals` digits after the point, rounded first if `whole`, with a decimal `comma` if
    set.
    """

    name: str
    kind: Literal["number", "category", "text"] = "number"
    low: float = 0.0
    high: float = 1.0
    decimals: int = DECIMALS_MOST + 1
    whole: bool = False
    comma: bool = False
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """The number of values per cell."""
        return {"number": 1, "category": len(self.categories), "text": 0}[self.kind]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**asdict(self), "categories": list(self.categories)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Column:
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError on other content."""
        column = cls(**{**fields, "categories": tuple(str(c) for c in fields["categories"])})
        if column.kind not in ("number", "category", "text") or not column.low <= column.high:
            raise ValueError(f"column {column.name!r}")
        return column

    def number(self, cell: str) -> float | None:
        """The number in a cell, None if it is not one."""
        cell = cell.replace(",", ".") if self.comma else cell
        return float(cell) if _NUMBER.match(cell) and math.isfinite(float(cell)) else None

    def scaled(self, numbers: Array) -> Array:
        """Numbers to 0..1."""
        return (numbers - self.low) / (self.high - self.low or 1.0)

    def unscaled(self, values: Array) -> Array:
        """The inverse, within the range of the column."""
        return np.clip(self.low + values.astype(np.float64) * (self.high - self.low), self.low, self.high)

    def written(self, values: Array) -> str:
        """A cell from its values `(width,)`."""
        if self.kind == "category":
            return self.categories[int(values.argmax())]
        number = float(self.unscaled(values)[0])
        number = float(round(number)) if self.whole else number
        text = f"{number:.{self.decimals}f}" if self.decimals <= DECIMALS_MOST else f"{number:.6g}"
        text = text[1:] if text.startswith("-") and not text.strip("-0.") else text  # no -0
        return text.replace(".", ",") if self.comma else text


def columns_of(table: Table) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """What each column holds, inferred from the known cells, and notes on columns that are not used.

    Raises `DataError` for a column without a known cell, a table of free text alone, and one that is too wide.
    """
    columns = tuple(map(partial(_column, table), table.names, zip(*table.cells, strict=True)))
    width = sum(column.width for column in columns)
    if width == 0:
        raise DataError(f"{table.source}: all columns are free text; one of numbers or categories is needed")
    if width > WIDTH_MOST:
        raise DataError(
            f"{table.source}: the columns make {width} values per row, one for each category; allowed are "
            f"{WIDTH_MOST}; leave out columns"
        )
    notes = []
    for column, cells in zip(columns, zip(*table.cells, strict=True), strict=True):
        if column.kind == "text":
            odd = next((cell for cell in cells if not is_missing(cell) and not _NUMBER.match(cell)), "")
            notes.append(f"column {column.name!r} is free text, such as {brief(odd)}: kept as it is and not used")
    return columns, tuple(notes)


def _column(table: Table, name: str, cells: Sequence[str]) -> Column:
    known = [cell for cell in cells if not is_missing(cell)]
    if not known:
        raise DataError(
            f"{table.source}: column {name!r} has no known cell; leave the column out, or give rows that have it"
        )
    for comma in (False, True) if table.delimiter != "," else (False,):
        numbers = [Column(name, comma=comma).number(cell) for cell in known]
        if None not in numbers:
            values = np.array(numbers, np.float64)
            whole = bool((values == np.round(values)).all())
            exponents = (Decimal(cell.strip().replace(",", ".")).as_tuple().exponent for cell in known)
            decimals = max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)))
            low, high = float(values.min()), float(values.max())
            return Column(name, "number", low, high, min(decimals, DECIMALS_MOST + 1), whole, comma)
    categories = tuple(sorted({cell.strip() for cell in known}))
    if len(categories) > min(CATEGORIES_MOST, max(2, len(known) // 2)):
        return Column(name, "text")
    return Column(name, "category", categories=categories)


def check_fits(columns: tuple[Column, ...], names: tuple[str, ...], source: str) -> None:
    """Raise `ModelError` unless these are the names of the columns, in their order."""
    own = tuple(column.name for column in columns)
    if names == own:
        return
    if sorted(names) == sorted(own):
        what = f"the columns are in another order, {brief(names[0])} first"
    else:
        lacking = [f"no column {name!r}" for name in own if name not in names]
        extra = [f"a column {brief(name)} too many" for name in names if name not in own]
        what = " and ".join(lacking[:1] + extra[:1])
    raise ModelError(
        f"{source}: the table does not fit this model: {what}; it takes {len(own)} columns, {brief(own[0])} to "
        f"{brief(own[-1])}"
    )


def encode(table: Table, columns: tuple[Column, ...]) -> npt.NDArray[np.float32]:
    """Vectors `(N, 2W)`: values, then 1 where they are known. Raises `DataError` for text among numbers and for
    categories that the columns do not have."""
    values: list[Array] = []
    known: list[Array] = []
    for column, texts in zip(columns, zip(*table.cells, strict=True), strict=True):
        cells = [text.strip() for text in texts]
        there = np.array([not is_missing(cell) for cell in cells])
        if column.kind == "number":
            found = [column.number(cell) if is_there else 0.0 for cell, is_there in zip(cells, there, strict=True)]
            if None in found:
                row = found.index(None)
                raise DataError(
                    f"{table.row(row)}, column {column.name!r}: {brief(cells[row])} is not a number, as all are here"
                )
            part = column.scaled(np.array(found, np.float64))[:, None]
        elif column.kind == "category":
            places = {category: place for place, category in enumerate(column.categories)}
            for row, cell in enumerate(cells):
                if there[row] and cell not in places:
                    known_ones = ", ".join(column.categories[:6]) + ", ..." * (len(places) > 6)
                    raise DataError(
                        f"{table.row(row)}, column {column.name!r}: the model never saw {brief(cell)}; it knows "
                        f"{known_ones}"
                    )
            index = np.array([places.get(cell, -1) for cell in cells])
            part = (index[:, None] == np.arange(column.width)).astype(np.float64)
        else:
            continue
        values.append(part * there[:, None])
        known.append(np.repeat(there[:, None], column.width, axis=1))
    return np.concatenate([*values, *known], axis=1).astype(np.float32)
