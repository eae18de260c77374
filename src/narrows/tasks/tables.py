"""Tables in files: rows to learn from, and missing cells filled in.

Next door: `data.columns` makes vectors of rows and back; `sklearn` does the same for arrays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.checks import brief
from narrows.data.columns import Column, columns_of, encode, marked
from narrows.data.notation import as_written
from narrows.data.samples import Samples, from_arrays
from narrows.data.sources import Split, as_known, open_samples, refuse_overwriting
from narrows.degradations import Cells, Degradation, Missing
from narrows.errors import DataError, ModelError, SettingsError
from narrows.io import parquet
from narrows.io.arrays import Array
from narrows.io.atomic import check_new, write_file
from narrows.io.csv import SUFFIXES, Table, is_table, read_table
from narrows.io.images import Report
from narrows.models.base import TABULAR, Model
from narrows.models.imputer import Imputer
from narrows.tasks.restore import restore
from narrows.tasks.series import names_known, open_series
from narrows.tasks.suited import suited


def imputer_of(model: Model) -> Imputer:
    """The model, if it fills in tables; raises `ModelError` for one that does not."""
    if not isinstance(model, Imputer):
        raise ModelError(
            f"a model to {model.specification.purpose} {model.description.form}, not tables; train one on a table, "
            "without --as"
        )
    return model


@dataclass(frozen=True)
class Rows:
    """The rows of a table as samples, what its columns hold, and what a person should know."""

    samples: Samples
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def open_table(path: str | os.PathLike[str], purpose: str, marks: Sequence[str] = ()) -> Rows:
    """The rows of a table, to be learned from. With `marks`, these words stand for missing cells, and no usual ones.

    Raises `SettingsError` for purposes that have no use for tables, `DataError` where nothing could be filled in.
    """
    if purpose not in TABULAR:
        raise SettingsError(f"{path}: a table was given to {purpose}; tables go with {', '.join(TABULAR)}")
    table = read_table(path)
    columns, notes = columns_of(table, marks)
    holes, used = _missing(table, columns), [column.kind != "text" for column in columns]
    if purpose == "inpaint" and sum(used) == 1 and holes[:, np.logical_not(used)].all(axis=0).any():
        raise DataError(
            f"{table.source}: only column {columns[used.index(True)].name!r} can be used, which tells nothing of "
            "those without any known cell; give some of their cells, or leave them out"
        )
    missing = int(holes.sum())
    summary = f"a table of {len(table.cells)} rows, {len(columns)} columns, {missing} cells missing"
    return Rows(_samples(table, columns), columns, (summary, *table.notes, *notes))


def hidden(columns: Sequence[Column], damage: Degradation | None, source: object) -> Cells:
    """The degradation that hides some cells of a table. `damage` may be `Missing`, whose share is that of the cells;
    raises `SettingsError` for any other."""
    if damage is not None and not (isinstance(damage, Missing) and damage.kind == "any"):
        raise SettingsError(f"{source}: {damage} was given for a table; only a share of missing cells goes with it")
    return Cells(tuple(columns)) if damage is None else Cells(tuple(columns), damage.share)


def columns_known(model: Model) -> tuple[Column, ...] | None:
    """The columns of the table whose rows a model reconstructs; None for one of other samples."""
    known = model.specification.columns
    return None if known is None else tuple(Column.from_json(each) for each in known)


def open_for(
    model: Model, data: Any, split: Split = "train", skip_bad: bool = False, report: Report | None = None
) -> Samples:
    """Samples for a model that reconstructs: the rows of a table for one of tables, else what `open_samples` opens.
    Raises `ModelError` for a table whose columns are others, and as `open_samples` does."""
    columns = columns_known(model)
    if columns is None:
        if is_table(data) and model.description.axes == 1:
            return open_series(data, model.description.rate, model.description.channels, names_known(model))
        if is_table(data):
            raise ModelError(
                f"{data}: a table was given to a model for {model.description.form}; give such, or train a model on "
                "the table"
            )
        opened = open_samples(data, split, skip_bad, report, **as_known(model.description))
        return suited(model, opened, skip_bad)
    if not is_table(data):
        raise ModelError(
            f"{data}: what was given is no table, and the model is for rows of {len(columns)} columns; give a table"
        )
    table = read_table(data, [column.name for column in columns])
    columns, notes = as_written(columns, table)
    samples = _samples(table, columns)
    notes = (*table.notes, *notes)
    if unknown := _unknown(table, columns, np.asarray(samples.values), _missing(table, columns)):
        count = len(unknown)
        notes += (f"{count} cell{'s' * (count > 1)} the model cannot use: {_told(table, columns, *unknown[0])}",)
    return replace(samples, notes=(*samples.notes, *notes))


def _unknown(
    table: Table, columns: Sequence[Column], vectors: Array, missing: npt.NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Row and column of the cells that are not missing and tell a model nothing: text among numbers, numbers far off,
    and categories that it never saw."""
    usable = np.array([column.kind != "text" for column in columns])
    ends = np.cumsum([column.width for column in columns])
    known = vectors[:, vectors.shape[1] // 2 :][:, ends[usable] - 1] > 0  # of each column that is used
    places = np.flatnonzero(usable)
    return [(row, int(places[number])) for row, number in np.argwhere(~known & ~missing[:, usable]).tolist()]


def _told(table: Table, columns: Sequence[Column], row: int, number: int) -> str:
    return f"{table.row(row)}, column {columns[number].name!r}: {brief(table.cells[row][number].strip())}"


def _samples(table: Table, columns: tuple[Column, ...]) -> Samples:
    samples = from_arrays(encode(table, columns), table.source)
    return replace(samples, names=tuple(f"row {number + 1}" for number in range(len(samples))))


def written_rows(columns: Sequence[Column], vectors: Array) -> list[list[str]]:
    """Vectors `(N, 2W)` as the cells of a table; those of free text are empty."""
    ends = np.cumsum([column.width for column in columns])
    return [
        [c.written(row[end - c.width : end]) if c.width else "" for c, end in zip(columns, ends, strict=True)]
        for row in vectors
    ]


@dataclass(frozen=True)
class Filled:
    """The `cells` of a table that were filled in, by row and column.

    So many missing cells of free text are `left`. So many cells are `unknown`: text among numbers, or a category that
    the model never saw, the first of which is described; they stay, and tell the model nothing. How numbers were read
    that can be read in two ways, and which words were missing cells, is in `notes`.
    """

    rows: int
    cells: Mapping[tuple[int, int], str]
    left: int = 0
    unknown: int = 0
    first_unknown: str = ""
    notes: tuple[str, ...] = ()


def _missing(table: Table, columns: Sequence[Column]) -> npt.NDArray[np.bool_]:
    """Which cells are missing, `(rows, columns)`."""
    cells = zip(*table.cells, strict=True)
    found = [[column.missing(cell) for cell in texts] for column, texts in zip(columns, cells, strict=True)]
    return np.array(found, bool).T


def filled(model: Model, table: Table, report: Report | None = None) -> Filled:
    """The missing cells of a table, filled in. Raises `ModelError` where its columns are not those of the model."""
    columns, notes = as_written(imputer_of(model).cells.columns, table)
    vectors, missing = encode(table, columns), _missing(table, columns)
    usable = np.array([column.kind != "text" for column in columns])
    wanted = missing & usable
    ends = np.cumsum([column.width for column in columns])
    new: dict[tuple[int, int], str] = {}
    chosen = np.flatnonzero(wanted.any(axis=1))
    if chosen.size:
        answers = restore(model, vectors[chosen], report=report)
        assert isinstance(answers, np.ndarray)
        for row, values in zip(chosen.tolist(), answers, strict=True):
            for number in np.flatnonzero(wanted[row]).tolist():
                column = columns[number]
                new[row, number] = column.written(values[ends[number] - column.width : ends[number]])
    odd = _unknown(table, columns, vectors, missing)
    first = _told(table, columns, *odd[0]) if odd else ""
    left = int((missing & ~usable).sum())
    return Filled(len(table.cells), new, left, len(odd), first, (*notes, *marked(columns, table)))


def fill_table(
    model: Model,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    force: bool = False,
    report: Report | None = None,
) -> Filled:
    """Fill in the missing cells of a table in a file and write it.

    Raises `ModelError` or `DataError` where the table does not fit the model, `OutputError` where the result cannot
    be written or something is there already, unless `force`.
    """
    target = Path(output)
    check_written(target, data)
    refuse_overwriting(target, data)
    check_new(target, force)
    imputer = imputer_of(model)
    table = read_table(data, [column.name for column in imputer.cells.columns])
    result = filled(imputer, table, report)
    write_table(target, data, table, result.cells, force)
    return result


def check_written(output: Path, data: str | os.PathLike[str]) -> None:
    """Raise `SettingsError` unless the table in a file can be written into one of this name."""
    if output.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"{output}: tables are written as .csv, .tsv or .parquet; give a name that ends so")
    if output.suffix.lower() == parquet.SUFFIX != Path(data).suffix.lower():
        raise SettingsError(f"{output}: only a .parquet file is written as one; give a name that ends in .csv")


def write_table(
    output: Path, data: str | os.PathLike[str], table: Table, cells: Mapping[tuple[int, int], str], force: bool
) -> None:
    """Write the table in a file with new cells at some places, see `replacing`."""
    back = output.suffix.lower() == parquet.SUFFIX
    write_file(output, parquet.with_cells(data, cells) if back else table.with_cells(cells).encode(), force)
