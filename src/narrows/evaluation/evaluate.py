"""`narrows evaluate` as a call: one kind of report for every kind of model, as JSON values, tables and pictures.

Next door: `report`, `restored` and `tables` measure; `against` compares with general formats.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

from narrows.data.samples import Samples
from narrows.data.windows import windows
from narrows.errors import ModelError, SettingsError
from narrows.evaluation import classical, figures, pictures, report, restored, tables
from narrows.evaluation.against import OURS, contest, narrows_coder
from narrows.evaluation.curves import Comparison, rate_at
from narrows.evaluation.metrics import Score
from narrows.evaluation.rivals import choose
from narrows.io.atomic import check_new, make_folder, write_file
from narrows.io.csv import is_table, read_table
from narrows.io.images import Report as Progress
from narrows.models.base import Model
from narrows.models.coded import Coded
from narrows.models.density import Density
from narrows.models.imputer import Imputer
from narrows.models.restorer import Restoring
from narrows.tasks.tables import open_for

Row = tuple[str, ...]
VALUES = "evaluation.json"  # the file of what was measured
MEASURED = 1 << 18  # steps of a window of a long signal, which is measured as a sample of its own


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

    def write(self, folder: Path, force: bool = False) -> list[Path]:
        """`evaluation.json` and all pictures, into a folder that is made; raises `OutputError`, also where one of
        them is there already, unless `force` or by an earlier evaluation."""
        make_folder(folder)
        force = force or is_evaluation(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as place:
            path = Path(place) / VALUES
            write_file(path, (json.dumps(self.values, indent=2) + "\n").encode())
            made = [path, *self.draw(Path(place))]
            written = [folder / path.name for path in made]
            for target in written:
                check_new(target, force)
            for each, target in zip(made, written, strict=True):
                each.replace(target)
        return written


def is_evaluation(folder: Path) -> bool:
    """Whether a folder holds an evaluation, which another may replace."""
    try:
        return "samples" in json.loads((folder / VALUES).read_text())
    except (OSError, ValueError, TypeError):
        return False


@dataclass(frozen=True)
class Measuring:
    """What is measured and how: `data` as `open_samples` takes it, or a table; `name` is the model's, for people;
    `against` lists general formats such as "webp,avif"; `report` is called with progress, `note` with what the user
    should know."""

    data: Any
    name: str = "the model"
    against: str | None = None
    skip_bad: bool = False
    report: Progress = field(default=lambda what, done, total: None)
    note: Callable[[str], None] = field(default=lambda line: None)

    def samples(self, model: Model) -> Samples:
        """The samples to measure a model on; of a named set its test part."""
        opened = open_for(model, self.data, "test", self.skip_bad, self.report)
        samples = windows(opened, MEASURED)
        for note in samples.notes:
            self.note(note)
        return samples

    def refuse_against(self) -> None:
        """Raise `SettingsError` if general formats were named for a model that does not compress."""
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
    # What cannot be compared is refused before any data is read.
    entered = None if how.against is None else (narrows_coder(model, how.name), choose(how.against))
    samples = how.samples(model)
    compared = None if entered is None else contest(*entered, samples)
    for note in () if compared is None else compared.notes:
        how.note(note)
    found, signals = report.evaluate(model, samples, how.report), model.description.axes == 1
    linear = report.linear(model, samples)
    lesson = found.mse * model.recipe.printed_batch if model.recipe.printed_batch else None
    pca, clipped = linear or (None, None)
    values: dict[str, Any] = {
        **_values(found, "samples", "mse", "squared_error", "psnr_db", "ssim"),
        **(_values(found, "snr_db", "si_sdr_db") if signals else {}),
        "lesson_loss": lesson,
        "pca_mse": pca and pca.mse,
        "pca_clipped_mse": clipped and clipped.mse,
        "pca_psnr_db": pca and pca.psnr_db,
        "pca_clipped_psnr_db": clipped and clipped.psnr_db,
        "pca": report.pca_name(model),
    }
    rows = tuple(
        (name, f"{score.mse:.6f}", f"{score.squared_error:.3f}", f"{score.psnr_db:.2f}", *_alike(score, signals))
        for name, score in [(_title(model, how), found), *((score.name, score) for score in linear)]
    )
    alike = ("SNR, dB", "SI-SDR, dB") if signals else ("SSIM",)
    columns = ("", "MSE per value", "squared error per sample", "mean PSNR, dB", *alike)
    shown = [Table(f"{found.samples} samples of {samples.source}", columns, rows)]
    comparison = None if compared is None else compared.compare(how.report)
    if comparison is not None:
        values["against"] = comparison_values(comparison)
        shown.append(comparison_table(comparison))

    def draw(folder: Path) -> list[Path]:
        written = pictures.draw(model, samples, found, folder)
        if compared is not None and comparison is not None:
            written += compared.draw(comparison, folder, how.report)
        return written

    lines = () if lesson is None else (f"as the lesson prints it (MSE x {model.recipe.printed_batch}): {lesson:.4f}",)
    return Evaluation(values, tuple(shown), lines, draw)


@_evaluate.register
def _(model: Restoring, how: Measuring) -> Evaluation:
    how.refuse_against()
    if is_table(how.data) and model.description.axes != 1:
        raise ModelError(
            f"{os.fspath(how.data)}: a table was given to a model to {model.specification.purpose} "
            f"{model.description.form}; train one on a table"
        )
    samples = how.samples(model)
    signals = model.description.axes == 1
    if not signals and (lacking := classical.missing_packages(model.degradation.task)) is not None:
        how.note(lacking)
    found = restored.evaluate(model, samples, how.report)

    def values_of(score: Score) -> dict[str, Any]:
        more = _values(score, "snr_db", "si_sdr_db") if signals else {}
        return {"mse": float(score.errors.mean()), **_values(score, "psnr_db", "ssim"), **more}  # samples count alike

    ours = values_of(found.restored)
    values = {
        "samples": found.restored.samples,
        **ours,
        "squared_error": ours["mse"] * model.description.values if model.description.values else None,
        "pca_mse": None,
        "damage": str(model.degradation),
        "damaged": values_of(found.damaged),
        "rivals_samples": len(found.picked),
        "rivals": {score.name: values_of(score) for score in found.rivals},
    }
    closeness = ("SNR, dB", "SI-SDR, dB") if signals else ("SSIM",)
    columns = (
        "",
        "samples",
        "mean PSNR, dB",
        *closeness,
        f"seconds per {'million steps' if signals else 'megapixel'}",
    )
    alike = [score.of(found.picked) if found.rivals else score for score in (found.damaged, found.restored)]
    rows = tuple(
        (
            _title(model, how) if score.name == found.restored.name else score.name,
            f"{score.samples}",
            f"{score.psnr_db:.2f}",
            *_alike(score, signals),
            _shown(score.seconds_per_megapixel, ".2f"),
        )
        for score in (*alike, *found.rivals)
    )
    lines: tuple[str, ...] = ()
    if len(found.picked) < found.restored.samples:
        lines = (
            f"over all {found.restored.samples} samples: damaged {found.damaged.psnr_db:.2f} dB, restored "
            f"{found.restored.psnr_db:.2f} dB; above, those that the slow classical methods got",
        )

    def draw(folder: Path) -> list[Path]:
        figures.save(restored.side_by_side(model, samples, found), folder / "restored.png")
        return [folder / "restored.png"]

    return Evaluation(values, (Table(f"{samples.source}, {model.degradation}", columns, rows),), lines, draw)


@_evaluate.register
def _(model: Imputer, how: Measuring) -> Evaluation:
    how.refuse_against()
    found = tables.evaluate(model, read_table(how.data, [column.name for column in model.cells.columns]))
    rmse = next((line.errors for line in found.totals if line.kind == "number"), None)
    values = {
        "samples": found.rows,
        "mse": None if rmse is None else rmse[0] ** 2,
        **dict.fromkeys(("squared_error", "psnr_db", "ssim", "pca_mse")),
        "damage": str(model.degradation),
        "ways": tables.WAYS,
        **{line.name.replace(" ", "_"): _values(line, "cells", "errors") for line in found.totals},
        "columns": {line.name: _values(line, "cells", "errors") for line in found.columns},
    }
    title = f"{how.data}, {found.rows:,} rows, {model.degradation}: RMSE of numbers, columns scaled to 0..1; "
    title += "share of categories that are wrong"
    rows = tuple(
        (line.name, f"{line.cells:,}", *(f"{e:.4f}" if line.kind == "number" else f"{e:.1%}" for e in line.errors))
        for line in (*found.totals, *found.columns)
    )
    return Evaluation(values, (Table(title, ("", "hidden cells", *tables.WAYS), rows),))


def comparison_values(comparison: Comparison) -> dict[str, Any]:
    """Every point and every BD-rate as JSON values."""
    ours, rivals = comparison.ours, comparison.rivals
    ways = {"without_model": False, "with_model": True}
    return {
        "images": comparison.images,
        "pixels": comparison.pixels,
        "notes": list(comparison.notes),
        "curves": {curve.name: [asdict(point) for point in curve.points] for curve in (ours, *rivals)},
        "bd_rate": {
            rival.name: {name: asdict(comparison.difference(rival, with_model)) for name, with_model in ways.items()}
            for rival in rivals
        },
    }


def comparison_table(comparison: Comparison) -> Table:
    """A row for us without the model's bytes, one with them, and one for each rival."""
    ours, levels = comparison.ours, comparison.levels()
    rates = [f"bits per pixel at {level} dB" for level in levels]
    columns = ("", *rates, "narrows against it", "with its model", "encode s", "decode s")
    rows = []
    for curve, name, with_model in (
        (ours, OURS, False),
        (ours, "narrows and its model", True),
        *((rival, rival.title, False) for rival in comparison.rivals),
    ):
        front = curve.front()
        name += f", exact: {front[0].bits_per_pixel:.3f}" if curve.exact else ""
        rates = [_shown(rate_at(curve, level, with_model), ".3f") for level in levels]
        versus = ["", ""]
        if curve is not ours:
            percents = [comparison.difference(curve, counted).percent for counted in (False, True)]
            versus = ["-" if percent is None else f"{percent:+.1f} %" for percent in percents]
        middle = front[len(front) // 2]
        rows.append((name, *rates, *versus, f"{middle.encode_seconds:.2f}", f"{middle.decode_seconds:.2f}"))
    title = (
        f"bytes for the same {comparison.images} images; the last columns are seconds to encode and decode them all"
    )
    return Table(title, columns, tuple(rows))


def _values(measured: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(measured, name) for name in names}


def _alike(score: Score, signals: bool) -> Row:
    """How alike samples are that came back, beside their error."""
    if signals:
        return _shown(score.snr_db, ".2f"), _shown(score.si_sdr_db, ".2f")
    return (_shown(score.ssim, ".4f"),)


def _title(model: Model, how: Measuring) -> str:
    return f"{Path(how.name).name} ({model.specification.network})"


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
