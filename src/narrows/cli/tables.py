"""Tables on the command line: what `train`, `inpaint` and `evaluate` do with a .csv or .tsv file.

Next door: `restoring.table` fills them in.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from narrows.cli import show


def opened(data: str, purpose: str, damage: dict[str, Any]) -> tuple[Any, Any]:
    """The rows of a table as samples, and the degradation that hides some of its cells.

    Raises `SettingsError` for purposes and damage that tables do not have.
    """
    from narrows.data.columns import columns_of, encode
    from narrows.data.samples import from_arrays
    from narrows.degradations.cells import USUAL_CELLS, Cells
    from narrows.errors import SettingsError
    from narrows.io.csv import is_missing, read_table

    if purpose != "inpaint":
        raise SettingsError(f"{data}: a table was given with --for {purpose}; tables go with --for inpaint")
    for name, value in damage.items():
        if name != "missing" and value not in (None, False):
            raise SettingsError(f"--{name.replace('_', '-')} was given for a table; only --missing goes with tables")
    table = read_table(data)
    columns, notes = columns_of(table)
    share = damage["missing"] or USUAL_CELLS
    missing = sum(is_missing(cell) for row in table.cells for cell in row)
    show.say(f"table: {len(table.cells)} rows, {len(columns)} columns, {missing} cells missing")
    for note in notes:
        show.say(f"note: {note}")
    return from_arrays(encode(table, columns), data), Cells(columns, share)


def inpaint(
    data: str, model_path: Path, output: Path, *, force: bool, device: str, as_json: bool, **hints: Any
) -> None:
    """Fill in a table. Raises `SettingsError` for hints that tables have no use for."""
    from narrows.data.sources import refuse_overwriting
    from narrows.errors import OutputError, SettingsError
    from narrows.io.atomic import check_writable, write_file
    from narrows.io.csv import SUFFIXES, read_table
    from narrows.models.loading import load
    from narrows.tasks.tables import cells_of, filled
    from narrows.training.device import choose

    if any(hint is not None for hint in hints.values()):
        raise SettingsError(
            "a mask or a missing value was given for a table; cells that are missing are empty or NaN"
        )
    if output.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"{output}: tables are written as .csv or .tsv; give a name that ends so")
    refuse_overwriting(output, data, model_path)
    if output.exists() and not force:
        raise OutputError(f"{output}: it is there already; choose another place, or --force to replace it")
    check_writable(output)
    model = load(model_path, choose(device))
    cells_of(model)
    table = read_table(data)
    began = time.perf_counter()
    with show.reporting() as report:
        text, count = filled(model, table, report)
    write_file(output, text.encode())
    seconds = time.perf_counter() - began
    if not count:
        show.say(f"note: {data}: no cell is missing; {output} is a copy")
    if as_json:
        values = {"samples": len(table.cells), "cells": count, "seconds": round(seconds, 3), "megapixels": 0.0}
        show.result_json(values)
    else:
        show.say(f"{output}: {count} cells filled in, {len(table.cells)} rows in {seconds:.1f} seconds")


def measure(model: Any, data: str, output: Path | None, as_json: bool) -> None:
    """`narrows evaluate` of a model that fills in tables."""
    import json

    from narrows.evaluation import tables
    from narrows.io.atomic import make_folder, write_file
    from narrows.io.csv import read_table

    found = tables.evaluate(model, read_table(data))
    lines = (*found.totals, *found.columns)
    rmse = next((line.errors for line in found.totals if line.kind == "number"), None)
    values = {
        "samples": found.rows,
        "mse": None if rmse is None else rmse[0] ** 2,
        "squared_error": None,
        "psnr_db": None,
        "ssim": None,
        "pca_mse": None,
        "damage": str(model.degradation),
        "ways": tables.WAYS,
        **{line.name.replace(" ", "_"): {"cells": line.cells, "errors": line.errors} for line in found.totals},
        "columns": {line.name: {"cells": line.cells, "errors": line.errors} for line in found.columns},
    }
    if as_json:
        show.result_json(values)
    else:
        title = f"{data}, {found.rows:,} rows, {model.degradation}: RMSE of numbers, columns scaled to 0..1; "
        rows = [_row(line.name, line.kind, line.cells, line.errors) for line in lines]
        show.result_table(f"{title}share of categories that are wrong", rows, ("", "hidden cells", *tables.WAYS))
    if output is not None:
        make_folder(output)
        write_file(output / "evaluation.json", (json.dumps(values, indent=2) + "\n").encode())
        show.say(f"wrote {output / 'evaluation.json'}")


def _row(name: str, kind: str, cells: int, errors: tuple[float, ...]) -> tuple[str, ...]:
    return (name, f"{cells:,}", *(f"{error:.4f}" if kind == "number" else f"{error:.1%}" for error in errors))
