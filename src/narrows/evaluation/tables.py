"""A model that fills in tables over one of them: known cells hidden, filled in and compared, next to usual imputers.

Next door: `tasks.restore` fills in, `restored` measures models that restore pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.impute import KNNImputer, SimpleImputer

from narrows.data.columns import Column, encode
from narrows.data.notation import as_written
from narrows.io.arrays import Array
from narrows.io.csv import Table
from narrows.models.imputer import Imputer
from narrows.tasks.restore import restore

ROWS = 5000  # longer tables are thinned to this: finding the nearest rows takes quadratic time
WAYS = ("narrows", "5 nearest rows", "mean or most frequent")
TOTALS = {"number": "all numbers", "category": "all categories"}


@dataclass(frozen=True)
class Line:
    """One column, or all of one kind: how many `cells` were hidden, and the error of each of `WAYS`: for numbers the
    RMSE with the column scaled to 0..1, for categories the share that is wrong."""

    name: str
    kind: str
    cells: int
    errors: tuple[float, ...]


@dataclass(frozen=True)
class Filled:
    """What came of `rows` rows: all numbers and all categories, as far as there are any, then each column."""

    rows: int
    totals: tuple[Line, ...]
    columns: tuple[Line, ...]


@torch.no_grad()
def evaluate(model: Imputer, table: Table) -> Filled:
    """Hide known cells as in training, the same each time, and fill them in. Raises `ModelError` if the columns are
    not those of the model, `DataError` for cells that do not fit their column."""
    cells = model.cells
    columns, _ = as_written(cells.columns, table)
    vectors = encode(table, columns)
    vectors = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), ROWS)).astype(int)]
    observed, _ = model.observe(torch.from_numpy(vectors), torch.Generator().manual_seed(0))
    values, known = np.split(vectors, 2, axis=1)
    left = observed.condition.numpy()
    with_holes = np.where(left > 0, values, np.nan)
    answers = [
        np.clip(np.asarray(restore(model, np.concatenate([values * left, left], axis=1)))[:, : cells.width], 0, 1),
        KNNImputer(keep_empty_features=True).fit_transform(with_holes),
        SimpleImputer(keep_empty_features=True).fit_transform(with_holes),
    ]
    hidden = (known > 0) & (left == 0)
    lines: list[Line] = []
    of_kind: dict[str, list[Array]] = {kind: [] for kind in TOTALS}
    at = 0
    for column in cells.columns:
        span = slice(at, at + column.width)
        at += column.width
        if not column.width or not (rows := hidden[:, span].all(axis=1)).any():
            continue
        wrong = np.stack([_wrong(column, answer[rows, span], values[rows, span]) for answer in answers])
        of_kind[column.kind].append(wrong)
        lines.append(_line(column.name, column.kind, wrong))
    totals = [_line(TOTALS[kind], kind, np.concatenate(found, axis=1)) for kind, found in of_kind.items() if found]
    return Filled(len(vectors), tuple(totals), tuple(lines))


def _wrong(column: Column, answer: Array, wanted: Array) -> Array:
    """The squared error of each number; for each category 1 if it is another, else 0."""
    if column.kind == "number":
        return np.asarray(np.square(answer - wanted)[:, 0], np.float64)
    return np.asarray(answer.argmax(axis=1) != wanted.argmax(axis=1), np.float64)


def _line(name: str, kind: str, wrong: Array) -> Line:
    means = wrong.mean(axis=1)
    return Line(name, kind, wrong.shape[1], tuple((np.sqrt(means) if kind == "number" else means).tolist()))
