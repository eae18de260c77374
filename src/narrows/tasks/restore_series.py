"""Tables whose rows follow in time, restored by a model for signals: the same table with other numbers.

Next door: `restore_sounds` restores the numbers; `tables` restores rows that do not follow on one another.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from narrows.data.sources import refuse_overwriting
from narrows.errors import SettingsError
from narrows.io.atomic import check_new
from narrows.io.csv import is_table, read_table
from narrows.models.base import Model
from narrows.models.restorer import Restoring
from narrows.tasks.pictures import Done, Wanted
from narrows.tasks.restore_sounds import restored_array
from narrows.tasks.series import as_series, names_known
from narrows.tasks.tables import check_written, write_table


def with_gaps(model: Model, data: object, wanted: Wanted) -> Wanted:
    """What is wanted, and that the cells that are missing of a table are the gaps, unless others are named."""
    said = wanted.mask is not None or wanted.missing_value is not None or wanted.lost is not None
    fills = isinstance(model, Restoring) and "known" in model.degradation.needs
    return replace(wanted, missing_value=(math.nan,)) if fills and is_table(data) and not said else wanted


def restore_series(model: Model, path: Path, output: Path, wanted: Wanted) -> Done:
    """Restore a table as `series.open_series` reads it and write it. To a model that fills gaps, what is missing is a
    gap, and only that is written anew. Raises as `pictures.restore_path` does."""
    wanted = with_gaps(model, path, wanted)
    model = wanted.check(model)
    if model.degradation.scale > 1:
        raise SettingsError(
            f"{path}: a table was given to a model for a higher rate, which makes more rows; give the numbers as an "
            ".npy file"
        )
    check_written(output, path)
    refuse_overwriting(output, path)
    check_new(output, wanted.force)
    value = None if wanted.missing_value is None else wanted.missing_value[0]
    table = read_table(path)
    series = as_series(table, value is not None and math.isnan(value), model.description.channels, names_known(model))
    made, seconds = restored_array(model, series.values, path, wanted)
    answers = np.concatenate(list(made))
    changed = answers != series.values
    if value is not None:  # a step is restored as a whole, and what is known of it stays
        changed &= np.isnan(series.values) if math.isnan(value) else series.values == value
    new = {
        (row, series.places[number]): series.columns[number].text(float(answers[row, number]))
        for row, number in np.argwhere(changed).tolist()
    }
    write_table(output, path, table, new, wanted.force)
    return Done(path, samples=1, seconds=seconds, note="; ".join(series.notes) or None)
