"""A model that fills in tables over one of them: known cells hidden, filled in and compared, beside usual imputers.

Next door: `restoring.table` fills in, `restored` measures models that restore pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.impute import KNNImputer, SimpleImputer

from narrows.data.columns import Column, check_fits, encode
from narrows.io.arrays import Array
from narrows.io.csv import Table
from narrows.models.imputer import Imputer
from narrows.tasks.restore import restore

ROWS = 5000  # so many are taken, evenly, of longer tables: the nearest rows take time that grows with the square
WAYS = ("narrows", "5 nearest rows", "mean or most frequent")


@dataclass(frozen=True)
class Line:
    """One column, or all of one kind: so many `cells` were hidden, and of each of `WAYS`, of numbers the root of the
    mean squared error with the column scaled to 0..1, of categories the share that is wrong."""

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
    """Hide known cells as in training, the same each time, and fill them in. Raises `ModelError` where the columns
    are not those of the model, `DataError` for cells that these cannot hold."""
    cells = model.cells
    check_fits(cells.columns, table.names, table.source)
    vectors = encode(table, cells.columns)
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
    of_kind: dict[str, list[Array]] = {"number": [], "category": []}
    at = 0
    for column in cells.columns:
        span = slice(at, at + column.width)
        at += column.width
        if not column.width or not (rows := hidden[:, span].all(axis=1)).any():
            continue
        wrong = np.stack([_wrong(column, answer[rows, span], values[rows, span]) for answer in answers])
        of_kind[column.kind].append(wrong)
        lines.append(_line(column.name, column.kind, wrong))
    titles = {"number": "all numbers", "category": "all categories"}
    totals = [_line(titles[kind], kind, np.concatenate(found, axis=1)) for kind, found in of_kind.items() if found]
    return Filled(len(vectors), tuple(totals), tuple(lines))


def _wrong(column: Column, answer: Array, wanted: Array) -> Array:
    """Of each cell the squared error, or 1 where the category is another."""
    squares: Array = np.square(answer - wanted).astype(np.float64)[:, 0]
    others: Array = (answer.argmax(axis=1) != wanted.argmax(axis=1)).astype(np.float64)
    return squares if column.kind == "number" else others


def _line(name: str, kind: str, wrong: Array) -> Line:
    root: Callable[[float], float] = np.sqrt if kind == "number" else float
    return Line(name, kind, wrong.shape[1], tuple(float(root(mean)) for mean in wrong.mean(axis=1)))
