"""Tables whose rows follow in time, as signals.

Next door: `tables` reads rows that do not follow on one another; `restore_series` writes restored numbers back.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from narrows.checks import brief
from narrows.data.columns import Column, columns_of
from narrows.data.samples import Samples, from_arrays
from narrows.errors import DataError
from narrows.io.csv import Table, read_table
from narrows.io.spans import runs_of

CLOCK_ROWS = 16  # at least, from which a clock is known where no model says how many channels there are


@dataclass(frozen=True)
class Series:
    """A table whose rows follow in time as one signal `(T, C)` in double precision: its columns of numbers, which are
    at `places` in it; others, such as dates, are `left` out, and so are `clocks`, which count the rows."""

    values: npt.NDArray[np.float64]
    columns: tuple[Column, ...]
    places: tuple[int, ...]
    left: tuple[str, ...]
    clocks: tuple[str, ...]
    notes: tuple[str, ...]


def open_series(data: str | os.PathLike[str], rate: float = 0.0, channels: int | None = None) -> Samples:
    """A table as a series, or where rows lack numbers, the stretches between these as signals of their own; raises as
    `as_series` does, and where there are no two rows in a row that lack none."""
    table = read_table(data)
    series = as_series(table, holes=True, channels=channels)
    known = np.asarray(~np.isnan(series.values).any(axis=1))
    stretches = [series.values[start:stop] for start, stop in runs_of(known) if known.all() or stop - start > 1]
    if not stretches:
        raise DataError(f"{table.source}: there are no two rows in a row with a number in every column")
    notes = [*series.notes]
    for names, why in ((series.left, "hold no numbers"), (series.clocks, "count the rows, as a clock does")):
        notes += [f"left out, since they {why}: {', '.join(map(repr, names))}"] * bool(names)
    if not known.all():
        missing = int((~known).sum())
        notes.append(f"{missing} of {len(known)} rows lack a number; {len(stretches)} stretches between are signals")
    samples = from_arrays(stretches, table.source, kind="series", rate=rate)
    return replace(samples, notes=tuple(notes))


def as_series(table: Table, holes: bool = False, channels: int | None = None) -> Series:
    """A table as a series. Where a model wants so many `channels` as there are columns of numbers with clocks, these
    are channels too. Raises `DataError` where a number is missing, unless there may be `holes`, which are NaN, and
    where no column holds numbers."""
    columns, notes = columns_of(table)
    places = tuple(number for number, column in enumerate(columns) if column.kind == "number")
    if not places:
        raise DataError(f"{table.source}: no column of numbers in this table; a series needs one")
    values = np.empty((len(table.cells), len(places)))
    for at, number in enumerate(places):
        column = columns[number]
        for row, cells in enumerate(table.cells):
            value = math.nan if holes and column.missing(cells[number]) else column.style.number(cells[number])
            if value is None:
                raise DataError(
                    f"{table.row(row)}, column {column.name!r}: {brief(cells[number].strip())} is no number; a "
                    "series has one in every row here: fill the gaps first, by 'narrows inpaint' with such a model"
                )
            values[row, at] = value
    left = tuple(column.name for column in columns if column.kind != "number")
    sought = len(values) >= (CLOCK_ROWS if channels is None else 2) and channels != len(places)
    ticking = ticks(values) if sought else np.zeros(len(places), bool)
    clocks = tuple(columns[number].name for number, is_clock in zip(places, ticking, strict=True) if is_clock)
    places = tuple(number for number, is_clock in zip(places, ticking, strict=True) if not is_clock)
    chosen = tuple(columns[number] for number in places)
    return Series(values[:, ~ticking], chosen, places, left, clocks, (*table.notes, *notes))


def ticks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which columns of numbers `(T, C)`, T at least 2, are clocks: they rise in every row, and are never further from
    even steps than half of one. None, where all are, since something has to be a signal."""
    count = len(values)
    with np.errstate(invalid="ignore", over="ignore"):
        even, step = np.linspace(values[0], values[-1], count), (values[-1] - values[0]) / (count - 1)
        found = (np.diff(values, axis=0) > 0).all(axis=0) & (np.abs(values - even) < step / 2).all(axis=0)
    return np.asarray(found & ~found.all())
