"""New samples as files, and how far they are from those that the model learned from.

Next door: `generate` makes the samples.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.samples import Samples
from narrows.errors import NarrowsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_folder, check_new, make_folder, write_file
from narrows.io.npy import save_array
from narrows.io.pictures import encode_picture
from narrows.models.base import Model
from narrows.tasks.generate import Distances, distances, sample, walk
from narrows.tasks.tables import columns_known, open_for, written_rows

ARRAY, TABLE, SHEET = "samples.npy", "samples.csv", "sheet.png"


@dataclass(frozen=True)
class New:
    """New samples of a model, and how far they are from those it learned from; None where it cannot be told, and then
    the `trouble`."""

    model: Model
    samples: Array
    distances: Distances | None = None
    trouble: str = ""

    @property
    def pictured(self) -> bool:
        """Whether the samples are written as pictures, beside a sheet of all."""
        return self.model.description.axes == 2 and self.samples.dtype in (np.uint8, np.uint16)

    @property
    def limits(self) -> tuple[float, float]:
        """The values that are drawn black and white."""
        return self.model.description.low, self.model.description.high


def make(
    model: Model,
    count: int,
    seed: int = 0,
    *,
    near: str | os.PathLike[str] | None = None,
    far: float = 0.5,
    beside: str | os.PathLike[str] | None = None,
) -> New:
    """New samples, drawn as `generate.sample` does, near the one in a file if one is named. They are compared with
    the samples in `beside`, else with those that the model learned from, if these are still there.

    Raises as `generate.sample`, `DataError` for files that cannot be read.
    """
    given = None if near is None else open_for(model, near)
    made = sample(model, count, seed, near=given, far=far)
    if beside is not None:
        return New(model, made, distances(model, made, open_for(model, beside)))
    source = str(model.provenance.get("source", ""))
    if not source or source == "array":
        return New(model, made, trouble="the model learned from an array")
    try:
        known: Samples = open_for(model, source, skip_bad=True)
        return New(model, made, distances(model, made, known))
    except NarrowsError:
        return New(model, made, trouble=f"what the model learned from is no longer at {source}")


def between(model: Model, first: str | os.PathLike[str], last: str | os.PathLike[str], steps: int) -> New:
    """The samples from the one in a file to that in another, as `generate.walk` makes them."""
    ends: list[Any] = [open_for(model, each) for each in (first, last)]
    return New(model, walk(model, ends[0], ends[1], steps))


def write(folder: Path, made: New, force: bool = False) -> list[Path]:
    """Write new samples into a folder: images as .png, `000.png` and so on, rows of a table as .csv, all others as
    one .npy. Raises `OutputError` where something is there already, unless `force`."""
    check_folder(folder)
    columns = columns_known(made.model)
    if made.pictured:
        digits = max(3, len(str(len(made.samples) - 1)))
        paths = [folder / f"{number:0{digits}}.png" for number in range(len(made.samples))]
    else:
        paths = [folder / (ARRAY if columns is None else TABLE)]
    if folder.exists():
        for path in (*paths, *((folder / SHEET,) if made.pictured else ())):
            check_new(path, force)
    make_folder(folder)
    if columns is not None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        writer.writerows(written_rows(columns, made.samples))
        write_file(paths[0], text.getvalue().encode())
    elif paths[0].suffix == ".npy":
        save_array(paths[0], made.samples)
    else:
        for path, image in zip(paths, made.samples, strict=True):
            write_file(path, encode_picture(path.name, image, {})[0])
    return paths
