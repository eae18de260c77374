"""Tables whose rows follow in time, as signals.

Next door: `tables` reads rows that do not follow on one another; `restore_series` writes restored numbers back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from narrows.checks import brief
from narrows.data.columns import Column, columns_of
from narrows.data.samples import Samples, from_arrays
from narrows.errors import DataError, ModelError
from narrows.io.csv import Table, read_table
from narrows.io.spans import runs_of
from narrows.models.base import Model

Places = npt.NDArray[np.int64]  # of columns in a table

CLOCK_ROWS = 16  # numbers of a column, at least, that tell a clock where no model says how many channels there are
JUMPS_MOST = 0.1  # of the steps of a clock that is not the first column


@dataclass(frozen=True)
class Series:
    """A table whose rows follow in time as one signal `(T, C)` in double precision: its columns of numbers, which are
    at `places` in it. Others, such as dates, are left out, and so are clocks; `notes` say which."""

    values: npt.NDArray[np.float64]
    columns: tuple[Column, ...]
    places: tuple[int, ...]
    notes: tuple[str, ...]


def open_series(
    data: str | os.PathLike[str], rate: float = 0.0, channels: int | None = None, names: Sequence[str] = ()
) -> Samples:
    """A table as a series, or where rows lack numbers, the stretches between these as signals of their own; raises as
    `as_series` does, and where there are no two rows in a row that lack none."""
    table = read_table(data)
    series = as_series(table, True, channels, names)
    known = np.asarray(~np.isnan(series.values).any(axis=1))
    stretches = [series.values[start:stop] for start, stop in runs_of(known) if known.all() or stop - start > 1]
    if not stretches:
        raise DataError(f"{table.source}: there are no two rows in a row with a number in every column")
    notes = [*series.notes]
    if not known.all():
        missing = int((~known).sum())
        notes.append(f"{missing} of {len(known)} rows lack a number; {len(stretches)} stretches between are signals")
    samples = from_arrays(stretches, table.source, kind="series", rate=rate)
    return replace(samples, notes=tuple(notes), channels=tuple(column.name for column in series.columns))


def as_series(table: Table, holes: bool = False, channels: int | None = None, names: Sequence[str] = ()) -> Series:
    """A table as a series, for a model of so many `channels` if given: these are taken by their `names`, in this
    order, or where the table has others, by their places; where it wants as many as there are columns of numbers with
    clocks, these are channels too. Raises `DataError` where a number is missing, unless there may be `holes`, which
    are NaN, and where no column holds numbers; `ModelError` where the model takes another number of channels, unless
    it takes each by itself."""
    columns, notes = columns_of(table)
    places = np.array([number for number, column in enumerate(columns) if column.kind == "number"], int)
    if not places.size:
        raise DataError(f"{table.source}: no column of numbers in this table; a series needs one")
    numbers = [[columns[place].style.number(cells[place]) for place in places] for cells in table.cells]
    values = np.array(numbers, np.float64)  # None is NaN
    said = [*table.notes, *notes]
    _tell(said, "left out, since they hold no numbers", [c.name for c in columns if c.kind != "number"])
    ticking, known = _clocks(values, bool(places[0] == 0), channels), _by_names(columns, places, names)
    if known is not None:
        others = ~np.isin(places, known)
        ticking &= others
        strange = [columns[place].name for place in places[others & ~ticking]]
        _tell(said, "left out, since the model has no channel of that name", strange)
    _tell(said, "left out, since they count the rows, as a clock does", [columns[p].name for p in places[ticking]])
    if known is None and channels != len(places) > 1:
        unsure = [columns[place].name for place in places[monotone(values, CLOCK_ROWS) & ~ticking]]
        _tell(said, "taken as signals, though they only rise or only fall; take them out if they are clocks", unsure)
    if lost := int(np.isnan(values[:, ticking]).sum()):
        said.append(f"left missing: {lost} cells of clocks")
    kept = places[~ticking] if known is None else known
    values, places = values[:, np.searchsorted(places, kept)], kept
    chosen = tuple(columns[place] for place in places)
    if known is None and len(names) == len(chosen) > 1:
        _tell(said, "columns were taken by their places, since the model has learned others", names)
    elif (np.diff(places) < 0).any():
        _tell(said, "columns were taken by their names, in the order of training", names)
    if channels not in (None, 1, len(chosen)):
        raise ModelError(
            f"{table.source}: {len(chosen)} columns are channels, {', '.join(repr(c.name) for c in chosen)}, and the "
            f"model takes {channels}; give a table with the columns of training, or train a model on this one"
        )
    if not holes and np.isnan(values).any():
        row, at = np.argwhere(np.isnan(values))[0].tolist()
        raise DataError(
            f"{table.row(row)}, column {chosen[at].name!r}: {brief(table.cells[row][places[at]].strip())} is no "
            "number; a series has one in every row here: fill the gaps first, by 'narrows inpaint' with such a model"
        )
    return Series(values, chosen, tuple(places.tolist()), tuple(said))


def names_known(model: Model) -> tuple[str, ...]:
    """The names of the channels that a model has learned from a table; none where they are not known, or only one."""
    names = model.provenance.get("channels", ())
    known = isinstance(names, (list, tuple)) and len(names) == model.description.channels > 1
    return tuple(map(str, names)) if known else ()


def _by_names(columns: Sequence[Column], places: Places, names: Sequence[str]) -> Places | None:
    """The places of columns of numbers with these names, each of which only one has; None where that is not so."""
    own = [columns[place].name for place in places]
    if not names or any(own.count(name) != 1 for name in names):
        return None
    return np.array([places[own.index(name)] for name in names], int)


def _tell(notes: list[str], what: str, names: Sequence[str]) -> None:
    notes += [f"{what}: {', '.join(map(repr, names))}"] * bool(names)


Flags = npt.NDArray[np.bool_]


def _clocks(values: npt.NDArray[np.float64], first: bool, channels: int | None) -> Flags:
    """Which columns of numbers `(T, C)` are clocks: those that only rise or only fall, and have even steps or are the
    `first` of the table. At most as many as the model does not want; without one, something has to be a signal."""
    count, wanted = values.shape[1], channels if channels is not None and channels > 1 else 1
    if channels == count:
        return np.zeros(count, bool)
    steady, steps = monotone(values, CLOCK_ROWS if channels is None else 2), even(values)
    leads = first and (wanted > 1 or monotone(values[:, :1], CLOCK_ROWS)[0])
    found = [at for at in np.flatnonzero(steady) if steps[at] or (leads and at == 0)]
    chosen = sorted(found, key=lambda at: (not steps[at], at))[: max(count - wanted, 0)]
    return np.isin(np.arange(count), chosen)


def monotone(values: npt.NDArray[np.float64], least: int) -> Flags:
    """Which columns `(T, C)` only rise or only fall, NaN apart, and have at least so many numbers."""

    def told(column: npt.NDArray[np.float64]) -> bool:
        known = column[~np.isnan(column)]
        return len(known) >= least and bool((known[1:] > known[:-1]).all() or (known[1:] < known[:-1]).all())

    return np.array([told(column) for column in values.T], bool)


def even(values: npt.NDArray[np.float64]) -> Flags:
    """Which columns `(T, C)`, NaN apart, are never further from even steps than half of one, but for a few jumps."""

    def told(column: npt.NDArray[np.float64]) -> bool:
        rows = np.flatnonzero(~np.isnan(column))
        if len(rows) < 2:
            return False
        lengths = np.diff(rows)
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.diff(column[rows]) / lengths
            step = np.median(steps)
            jumps = np.abs(steps) > 2 * abs(step)
            way = np.append(0, np.cumsum(np.where(jumps, step, steps) * lengths))
            straight = np.linspace(0, way[-1], rows[-1] - rows[0] + 1)[rows - rows[0]]
            near = np.abs(way - straight) < abs(way[-1]) / (rows[-1] - rows[0]) / 2
        return bool(near.all() and jumps.mean() <= JUMPS_MOST)

    return np.array([told(column) for column in values.T], bool)
