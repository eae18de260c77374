"""Tables in files: rows to learn from, and missing cells filled in.

Next door: `data.columns` makes vectors of rows and back; `integrations.sklearn` does the same for arrays.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from narrows.data.columns import check_fits, columns_of, encode
from narrows.data.samples import Samples, from_arrays
from narrows.data.sources import refuse_overwriting
from narrows.degradations import Cells, Degradation, Missing
from narrows.errors import DataError, ModelError, OutputError, SettingsError
from narrows.io.atomic import check_writable, write_file
from narrows.io.csv import SUFFIXES, Table, is_missing, read_table
from narrows.io.images import Report
from narrows.models.base import Model
from narrows.models.imputer import Imputer
from narrows.tasks.restore import restore


def imputer_of(model: Model) -> Imputer:
    """The model, if it fills in tables; raises `ModelError` for one that does not."""
    if not isinstance(model, Imputer):
        raise ModelError(
            f"a model to {model.specification.purpose} {model.description.form}, not tables; train one on a table"
        )
    return model


def open_table(
    path: str | os.PathLike[str], purpose: str, damage: Degradation | None = None
) -> tuple[Samples, Cells, tuple[str, ...]]:
    """The rows of a table as samples, the degradation that hides some of its cells, and notes. `damage` may be
    `Missing`, whose share is that of the cells.

    Raises `SettingsError` for other purposes than "inpaint" and other damage.
    """
    if purpose != "inpaint":
        raise SettingsError(f"{path}: a table was given to {purpose}; tables go with inpaint")
    if damage is not None and not (isinstance(damage, Missing) and damage.kind == "any"):
        raise SettingsError(f"{path}: {damage} was given for a table; only a share of missing cells goes with tables")
    table = read_table(path)
    columns, notes = columns_of(table)
    missing = sum(is_missing(cell) for row in table.cells for cell in row)
    cells = Cells(columns) if damage is None else Cells(columns, damage.share)
    summary = f"a table of {len(table.cells)} rows, {len(columns)} columns, {missing} cells missing"
    return from_arrays(encode(table, columns), str(path)), cells, (summary, *notes)


def filled(model: Model, table: Table, report: Report | None = None) -> tuple[str, int]:
    """The text of the table with its missing cells filled in, everything else to the byte as it was, and how many
    they were.

    Raises `ModelError` where the columns are not those of the model, `DataError` for cells that these cannot hold,
    and for a missing cell in a column of free text.
    """
    columns = imputer_of(model).cells.columns
    check_fits(columns, table.names, table.source)
    vectors = encode(table, columns)
    missing = [[is_missing(cell) for cell in row] for row in table.cells]
    chosen = [row for row, gone in enumerate(missing) if any(gone)]
    new: dict[tuple[int, int], str] = {}
    for row in chosen:
        for number, column in enumerate(columns):
            if missing[row][number] and column.kind == "text":
                raise DataError(
                    f"{table.row(row)}, column {column.name!r}: free text cannot be filled in; "
                    "write something into it"
                )
    if chosen:
        answers = restore(model, vectors[chosen], report=report)
        assert isinstance(answers, np.ndarray)
        for row, values in zip(chosen, answers, strict=True):
            at = 0
            for number, column in enumerate(columns):
                if missing[row][number]:
                    new[row, number] = column.written(values[at : at + column.width])
                at += column.width
    return table.with_cells(new), len(new)


def fill_table(
    model: Model, data: str | os.PathLike[str], output: Path, force: bool = False, report: Report | None = None
) -> tuple[int, int]:
    """Fill in the missing cells of a table in a file and write it; how many rows it has, and cells were filled in.

    Raises `ModelError` or `DataError` where the table does not fit the model, `OutputError` where the result cannot
    be written or something is there already, unless `force`.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"{output}: tables are written as .csv or .tsv; give a name that ends so")
    refuse_overwriting(output, data)
    if output.exists() and not force:
        raise OutputError(f"{output}: it is there already; choose another place, or --force to replace it")
    check_writable(output)
    imputer = imputer_of(model)
    table = read_table(data)
    text, count = filled(imputer, table, report)
    write_file(output, text.encode())
    return len(table.cells), count
