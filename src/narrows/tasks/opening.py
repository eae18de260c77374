"""What a training learns from: the samples of a source, and what is to be undone of them.

Next door: `train` trains on it; `tables` reads the rows of tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from narrows.data.columns import Column
from narrows.data.samples import Samples
from narrows.data.sources import open_samples
from narrows.data.windows import windows
from narrows.degradations import degradation_for
from narrows.degradations.base import Degradation
from narrows.errors import SettingsError
from narrows.io.csv import is_table
from narrows.io.images import Report
from narrows.models.base import Purpose
from narrows.tasks.noisy import noisy, own_noise
from narrows.tasks.planner import Choices
from narrows.tasks.series import open_series
from narrows.tasks.tables import hidden, open_table

NO_SIGNALS = "a rate was given for samples that are no signals; leave it out"


@dataclass(frozen=True)
class Opened:
    """Samples, the degradation that a model is to undo, the columns of a table whose rows it is to reconstruct, and
    what a person should know."""

    samples: Samples
    degradation: Degradation | None
    columns: tuple[Column, ...] | None
    notes: tuple[str, ...]


def open_data(
    data: Any,
    purpose: Purpose,
    degradation: Degradation | None,
    choices: Choices,
    skip_bad: bool = False,
    report: Report | None = None,
) -> Opened:
    """What there is to learn for a purpose. Raises `DataError` for data that cannot be read, `SettingsError` for
    choices that do not go with them."""
    if choices.kind is not None and is_table(data):
        samples = windows(open_series(data, choices.rate))
        return Opened(samples, degradation_for(purpose, () if degradation is None else (degradation,), 1), None, ())
    if is_table(data):
        if choices.rate:
            raise SettingsError(f"{NO_SIGNALS}, or read the table as a series (--as series)")
        rows = open_table(data, purpose, choices.missing_value)
        if purpose == "inpaint":
            return Opened(rows.samples, hidden(rows.columns, degradation, data), None, rows.notes)
        return Opened(rows.samples, None, rows.columns, rows.notes)
    if choices.missing_value:
        raise SettingsError("a missing value was given for samples that are no table; it is for tables: leave it out")
    if choices.noisy_samples and degradation is not None:
        raise SettingsError(f"{degradation} was given beside noisy samples, whose own noise is found; leave it out")
    parts = () if degradation is None else (degradation,)
    degradation_for(purpose, parts, 1 if any(part.axes == 1 for part in parts) else 2)  # refused before data are read
    samples = windows(open_samples(data, "train", skip_bad, report, kind=choices.kind, rate=choices.rate))
    if choices.kind == "signals" and samples.description.axes != 1:
        raise SettingsError(f"{data} holds {samples.description}, which are no signals; leave out --as")
    if choices.rate and samples.description.axes != 1:
        raise SettingsError(f"{NO_SIGNALS}, or read arrays as signals (--as signals)")
    degradation = degradation_for(purpose, parts, samples.description.axes)
    if choices.noisy_samples:
        degradation = own_noise(samples)
    return Opened(samples, degradation, None, tuple(noisy(samples, degradation)))
