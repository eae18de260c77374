"""`narrows show` as a call: what data are, before anything is learned from them.

Next door: `data.samples` describes a set, `data.columns` a table; `evaluation.sheets` draws samples.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.checks import legible
from narrows.data.columns import Column, columns_of
from narrows.data.ranges import CHUNK_BYTES
from narrows.data.samples import Kind, Samples
from narrows.data.sources import open_samples
from narrows.io.arrays import Array, Ragged
from narrows.io.cache import release
from narrows.io.csv import is_table, read_table
from narrows.io.images import Report
from narrows.tasks.series import open_series

Lines = tuple[tuple[str, str], ...]
LABELS = 20  # that are listed
SAMPLES = 300  # that a sheet may show


@dataclass(frozen=True)
class Summary:
    """A set of samples: values from `low` to `high`, images that differ in size from the `smallest` to the `largest`,
    `(H, W)` by area, or signals by length, `(T,)`, and how many samples have which of the `labels`."""

    samples: Samples
    low: float
    high: float
    smallest: tuple[int, ...]
    largest: tuple[int, ...]
    labels: tuple[tuple[str, int], ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, and what else is worth showing."""
        constant = (f"all values are {self.low:g}: there is nothing to learn",) if self.low == self.high else ()
        return self.samples.notes + constant

    def lines(self) -> Lines:
        """What each line says, and its name."""
        description = self.samples.description
        size = ""
        if description.axes == 2 and description.varied:
            size = f", {_size(self.smallest)} to {_size(self.largest)}"
        if description.axes == 1:
            ends = [seconds(length[0], description.rate) for length in (self.smallest, self.largest)]
            size = f", {ends[0]}" + f" to {ends[1]}" * description.varied
        lines = [
            ("source", legible(self.samples.source)),
            ("samples", f"{len(self.samples):,}"),
            ("each", f"{description.form}{size}"),
            ("values", f"{description.dtype}, {self.low:g} to {self.high:g}"),
        ]
        if description.columns:
            lines.append(
                ("channels" if description.axes else "columns", "of very different ranges: each is scaled by its own")
            )
        if self.labels:
            listed = ", ".join(f"{legible(label)} ({count:,})" for label, count in self.labels[:LABELS])
            more = len(self.labels) - LABELS
            lines.append((f"{len(self.labels):,} labels", f"{listed}{f' and {more:,} more' * (more > 0)}"))
        return tuple(lines)

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        description = self.samples.description
        return {
            "source": self.samples.source,
            "kind": ("vectors", "signals", "images")[description.axes],
            "samples": len(self.samples),
            "shape": [n or None for n in description.shape],
            "smallest": list(self.smallest),
            "largest": list(self.largest),
            "channels": description.channels,
            **({"rate": description.rate} if description.axes == 1 else {}),
            "dtype": description.dtype,
            "low": self.low,
            "high": self.high,
            "labels": dict(self.labels),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class TableSummary:
    """A table of so many `rows`: its `columns`, and how many cells are `missing` in each."""

    source: str
    rows: int
    columns: tuple[Column, ...]
    missing: tuple[int, ...]
    notes: tuple[str, ...]

    def rows_of_columns(self) -> tuple[tuple[str, ...], ...]:
        """For each column its name, kind, range or categories, and missing cells."""
        return tuple(
            (legible(column.name), column.kind, _holds(column), f"{missing:,}")
            for column, missing in zip(self.columns, self.missing, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        columns = []
        for column, missing in zip(self.columns, self.missing, strict=True):
            of_kind: dict[str, Any] = {}
            if column.kind == "number":
                of_kind = {"low": column.low, "high": column.high, "whole": column.whole}
            elif column.kind == "category":
                of_kind = {"categories": list(column.categories)}
            columns.append({"name": column.name, "kind": column.kind, **of_kind, "missing": missing})
        return {
            "source": self.source,
            "kind": "table",
            "rows": self.rows,
            "columns": columns,
            "notes": list(self.notes),
        }


def show(
    data: Any,
    *,
    skip_bad: bool = False,
    report: Report | None = None,
    kind: Kind | None = None,
    rate: float = 0.0,
) -> Summary | TableSummary:
    """What data are: what `open_samples` takes, or a table in a .csv, .tsv or .parquet file, which with a `kind` is a
    series. Raises `DataError`."""
    if is_table(data):
        if kind is None:
            return _table(data)
        samples = open_series(data, rate)
    else:
        samples = open_samples(data, "train", skip_bad, report, kind=kind, rate=rate)
    low, high = _ends(samples.values)
    shapes = samples.values.shapes if isinstance(samples.values, Ragged) else np.array([samples.description.shape])
    by_area = shapes[np.argsort(shapes.prod(axis=1), kind="stable")]
    sides = max(1, samples.description.axes)
    smallest, largest = (tuple(map(int, shape[:sides])) for shape in (by_area[0], by_area[-1]))
    labels: tuple[tuple[str, int], ...] = ()
    if samples.labels is not None:
        each, counts = np.unique(samples.labels, return_counts=True)
        labels = tuple(zip(map(str, each.tolist()), counts.tolist(), strict=True))
    return Summary(samples, low, high, smallest, largest, labels)


def _table(path: str | os.PathLike[str]) -> TableSummary:
    table = read_table(path)
    columns, notes = columns_of(table)
    cells = zip(*table.cells, strict=True)
    missing = [Counter(map(column.missing, texts))[True] for column, texts in zip(columns, cells, strict=True)]
    return TableSummary(table.source, len(table.cells), columns, tuple(missing), table.notes + notes)


def _ends(values: Array | Ragged) -> tuple[float, float]:
    """The smallest and the largest value, in one pass of bounded memory."""
    array = values.flat if isinstance(values, Ragged) else values
    array = array[0] if array.ndim == 3 and len(array) == 1 else array  # one long signal
    rows = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    ends = []
    for part in (array[at : at + rows] for at in range(0, len(array), rows)):
        ends.append((part.min(), part.max()))
        release(part)
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def seconds(steps: int, rate: float) -> str:
    """How long a signal is, in words; in steps where its rate is not known."""
    return f"{steps / rate:.3g} s" if rate else f"{steps:,} steps"


def _size(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def _holds(column: Column) -> str:
    """The range or the categories of a column."""
    if column.kind == "number":
        return f"{column.low:g} to {column.high:g}{', whole' * column.whole}"
    words = [legible(word) for word in column.categories]
    more = f" and {len(words) - 5} more" * (len(words) > 5)
    return f"{len(words)}: {', '.join(words[:5])}{more}" if words else ""
