"""Which samples are unlike those that a model learned from.

Next door: `density` learned how usual samples lie; `evaluation.pictures` draws the odd ones.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.data.windows import windows
from narrows.errors import SettingsError
from narrows.io.atomic import check_new, write_file
from narrows.models.base import Model
from narrows.tasks.density import autoencoder_of, held_out, mixture_of, points

FALSE_ALARMS = 0.01


@dataclass(frozen=True)
class Outliers:
    """How odd samples are: `scores` `(N,)`, the higher the odder, minus the logarithm of the density of a sample's
    code and error. A share `false_alarms` of usual samples lies above the `threshold`, which was found on `held`
    samples, `unseen` by the training if it held out some. `names` has one for each sample."""

    names: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    threshold: float
    false_alarms: float
    held: int
    unseen: bool

    @property
    def odd(self) -> npt.NDArray[np.bool_]:
        """Which samples are odd, `(N,)`."""
        return self.scores > self.threshold

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """The numbers of the samples, the oddest first, `(N,)`."""
        return np.argsort(-self.scores, kind="stable")


def outliers(model: Model, samples: Any, false_alarms: float = FALSE_ALARMS) -> Outliers:
    """How odd samples are to a model that reconstructs, `Samples` or what `from_arrays` takes; of long signals, each
    of their windows.

    Raises `ModelError` for other models, for one that has not learned how codes lie, and where the samples do not fit
    it; `SettingsError` for a share that is not above 0 and below 1.
    """
    autoencoder = autoencoder_of(model)
    mixture = mixture_of(autoencoder)
    threshold, checked = mixture.threshold(false_alarms), windows(autoencoder.fitting(samples))
    names = checked.names if checked.names is not None else tuple(map(str, range(len(checked))))
    scores = mixture.scores(points(autoencoder, checked))
    return Outliers(tuple(names), scores, threshold, false_alarms, len(mixture.held), held_out(autoencoder) > 1)


def check_scores_path(path: Path, force: bool = False) -> None:
    """Raise `SettingsError` for a file that scores are not written to, `OutputError` where it cannot be, or is there
    already, unless `force`."""
    if path.suffix.lower() != ".csv":
        raise SettingsError(f"{path}: scores are written as .csv; give a name that ends so")
    check_new(path, force)


def write_scores(path: Path, found: Outliers, force: bool = False) -> None:
    """Write a .csv with name, score and verdict of each sample, the oddest first. Raises as `check_scores_path`."""
    check_scores_path(path, force)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "score", "odd"))
    for number in found.order.tolist():
        verdict = "yes" if found.odd[number] else "no"
        writer.writerow((found.names[number], f"{found.scores[number]:.4f}", verdict))
    write_file(path, text.getvalue().encode("utf-8", "surrogateescape"))
