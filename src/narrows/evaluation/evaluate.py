"""`narrows evaluate` as a call: one kind of report for every kind of model.

Next door: `report`, `restored` and `tables` measure; `against` compares with general formats.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

from narrows.data.samples import Samples
from narrows.data.sources import open_samples
from narrows.errors import ModelError, SettingsError
from narrows.evaluation import against as formats
from narrows.evaluation import classical, figures, pictures, report, restored, tables
from narrows.io.atomic import make_folder, write_file
from narrows.io.csv import is_table, read_table
from narrows.io.images import Report as Progress
from narrows.models.base import Model
from narrows.models.coded import Coded
from narrows.models.density import Density
from narrows.models.imputer import Imputer
from narrows.models.restorer import Restoring

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table for people: its title, the columns' names, and rows of text."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Evaluation:
    """What was measured: `values` as JSON values, `tables` and further `lines` for people, and `draw`, which writes
    the pictures into a folder and returns their paths."""

    values: dict[str, Any]
    tables: tuple[Table, ...]
    lines: tuple[str, ...] = ()
    draw: Callable[[Path], list[Path]] = lambda folder: []

    def write(self, folder: Path) -> list[Path]:
        """`evaluation.json` and all pictures, into a folder that is made; raises `OutputError`."""
        make_folder(folder)
        path = folder / "evaluation.json"
        write_file(path, (json.dumps(self.values, indent=2) + "\n").encode())
        return [path, *self.draw(folder)]


@dataclass(frozen=True)
class Measuring:
    """What is measured and how: `data` as `open_samples` takes it, or a table; `name` is the model's, for people;
    `against` lists general formats such as "webp,avif"; `report` is told of progress, `note` of what a person should
    know."""

    data: Any
    name: str = "the model"
    against: str | None = None
    skip_bad: bool = False
    report: Progress = field(default=lambda what, done, total: None)
    note: Callable[[str], None] = field(default=lambda line: None)

    def samples(self) -> Samples:
        """The samples to measure on; of a named set its test part."""
        samples = open_samples(self.data, "test", self.skip_bad, self.report)
        for note in samples.notes:
            self.note(note)
        return samples

    def refuse_against(self) -> None:
        """Raise `SettingsError` where general formats were named for a model that does not compress."""
        if self.against is not None:
            raise SettingsError("--against was given; it is for models that compress: leave it out")


def evaluate(model: Model, data: Any, **how: Any) -> Evaluation:
    """Measure a model on data; `how` has the further fields of `Measuring`.

    Raises `DataError`, `ModelError` or `SettingsError` for data or options that do not fit the model.
    """
    return _evaluate(model, Measuring(data, **how))


@singledispatch
def _evaluate(model: Model, how: Measuring) -> Evaluation:
    raise ModelError(f"a model to {model.specification.purpose} cannot be evaluated")


@_evaluate.register
def _(model: Density, how: Measuring) -> Evaluation:
    raise ModelError(
        "this model is for exact compression only, so nothing comes back changed; 'narrows compress' tells its bytes"
    )


@_evaluate.register
def _(model: Coded, how: Measuring) -> Evaluation:
    contest = None if how.against is None else formats.enter(model, how.name, how.against)
    samples = how.samples()
    if contest is not None:
        contest = contest.over(samples)
        for note in contest.notes:
            how.note(note)
    found = report.evaluate(model, samples, how.report)
    values, shown = report.values(found), [_of_code(model, samples, found, how.name)]
    comparison = None
    if contest is not None:
        comparison = contest.compare(how.report)
        values["against"] = comparison.to_json()
        columns, rows = comparison.table()
        title = f"the same {comparison.images} images in bytes; last: encoding and decoding all, in seconds"
        shown.append(Table(title, columns, tuple(rows)))

    def draw(folder: Path) -> list[Path]:
        written = pictures.draw(model, samples, found, folder)
        if contest is not None and comparison is not None:
            written += contest.draw(comparison, folder, how.report)
        return written

    lesson = found.lesson_loss
    lines = () if lesson is None else (f"as the lesson prints it (MSE x {model.recipe.printed_batch}): {lesson:.4f}",)
    return Evaluation(values, tuple(shown), lines, draw)


def _of_code(model: Coded, samples: Samples, found: report.Evaluation, name: str) -> Table:
    each = found.squared_error / found.mse if found.mse else 0.0

    def row(title: str, mse: float | None, psnr: float | None, ssim: float | None) -> Row:
        return (
            title,
            _shown(mse, ".6f"),
            _shown(None if mse is None else mse * each, ".3f"),
            _shown(psnr, ".2f"),
            _shown(ssim, ".4f"),
        )

    rows = [row(f"{Path(name).name} ({model.specification.network})", found.mse, found.psnr_db, found.ssim)]
    if found.pca_mse is not None:
        rows.append(row(found.pca, found.pca_mse, found.pca_psnr_db, None))
        rows.append(row("the same, clipped", found.pca_clipped_mse, found.pca_clipped_psnr_db, None))
    columns = ("", "MSE a value", "squared error a sample", "PSNR dB, mean of samples", "SSIM")
    return Table(f"{found.samples} samples of {samples.source}", columns, tuple(rows))


@_evaluate.register
def _(model: Restoring, how: Measuring) -> Evaluation:
    how.refuse_against()
    if is_table(how.data):
        raise ModelError(
            f"{os.fspath(how.data)}: a table was given to a model to {model.specification.purpose} "
            f"{model.description.form}; train one on a table"
        )
    samples = how.samples()
    if (lacking := classical.missing_packages(model.degradation.task)) is not None:
        how.note(lacking)
    found = restored.evaluate(model, samples, how.report)
    ours = found.restored
    values = {
        "samples": ours.samples,
        "mse": ours.mse,
        "squared_error": ours.mse * model.description.values if model.description.values else None,
        "psnr_db": ours.psnr_db,
        "ssim": ours.ssim,
        "pca_mse": None,
        "damage": str(model.degradation),
        "damaged": _line_values(found.damaged),
        "rivals_samples": len(found.picked),
        "rivals": {line.name: _line_values(line) for line in found.rivals},
    }
    columns = ("", "samples", "PSNR dB, mean of samples", "SSIM", "seconds a megapixel")
    title = f"{Path(how.name).name} ({model.specification.network})"
    rows = [_line(found.damaged), _line(ours, title), *map(_line, found.rivals)]

    def draw(folder: Path) -> list[Path]:
        figures.save(restored.side_by_side(model, samples, found), folder / "restored.png")
        return [folder / "restored.png"]

    return Evaluation(values, (Table(f"{samples.source}, {model.degradation}", columns, tuple(rows)),), (), draw)


def _line_values(line: restored.Line) -> dict[str, float | None]:
    return {"mse": line.mse, "psnr_db": line.psnr_db, "ssim": line.ssim}


def _line(line: restored.Line, name: str | None = None) -> Row:
    similarity, seconds = _shown(line.ssim, ".4f"), _shown(line.seconds, ".2f")
    return (name or line.name, f"{line.samples}", f"{line.psnr_db:.2f}", similarity, seconds)


@_evaluate.register
def _(model: Imputer, how: Measuring) -> Evaluation:
    how.refuse_against()
    found = tables.evaluate(model, read_table(how.data))
    lines = (*found.totals, *found.columns)
    rmse = next((line.errors for line in found.totals if line.kind == "number"), None)
    values = {
        "samples": found.rows,
        "mse": None if rmse is None else rmse[0] ** 2,
        **dict.fromkeys(("squared_error", "psnr_db", "ssim", "pca_mse")),
        "damage": str(model.degradation),
        "ways": tables.WAYS,
        **{line.name.replace(" ", "_"): {"cells": line.cells, "errors": line.errors} for line in found.totals},
        "columns": {line.name: {"cells": line.cells, "errors": line.errors} for line in found.columns},
    }
    title = (
        f"{how.data}, {found.rows:,} rows, {model.degradation}: RMSE of numbers, columns scaled to 0..1; "
        "share of categories that are wrong"
    )
    rows = tuple(
        (line.name, f"{line.cells:,}", *(f"{e:.4f}" if line.kind == "number" else f"{e:.1%}" for e in line.errors))
        for line in lines
    )
    return Evaluation(values, (Table(title, ("", "hidden cells", *tables.WAYS), rows),))


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
