"""Rows with their missing numbers filled in, as a transformer of scikit-learn.

Next door: `tasks.tables` fills in tables in files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_random_state

from narrows.checks import whole
from narrows.data.columns import Column
from narrows.data.samples import from_arrays
from narrows.degradations import Cells
from narrows.degradations.cells import USUAL_CELLS
from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.models.imputer import Imputer as ImputerModel
from narrows.sklearn.given import check_span, numbers
from narrows.tasks.restore import restore
from narrows.tasks.train import fit
from narrows.training.settings import Settings

MEMBERS_MOST = 1000


class Imputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fills in the missing values of arrays `(N, D)` of numbers, NaN or masked where something is missing, as
    scikit-learn's imputers do; what is known comes back as it was.

    `fit` learns from an array that may have holes itself: in training further values are hidden, from `hide[0]` to
    `hide[1]` of each row. `epochs` sets the budget (None: about 100, at least 1000 steps), `width` the size of the
    network, `members` how many are trained, from different seeds, whose answers are averaged. The same
    `random_state` gives the same values on one machine. `models_` are the networks, which `save` and
    `narrows.load` keep. Filled in values lie within the range that their column had in `fit`.

    `fit` raises `DataError` (a ValueError) for columns without a known value, `SettingsError` for settings out of
    range.
    """

    def __init__(
        self,
        *,
        epochs: float | None = None,
        steps: int | None = None,
        width: int | None = None,
        members: int = 1,
        hide: tuple[float, float] = USUAL_CELLS,
        device: str | None = "cpu",
        threads: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.epochs = epochs
        self.steps = steps
        self.width = width
        self.members = members
        self.hide = hide
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Imputer:
        """Learn from `X` `(N, D)`."""
        members = whole("members", self.members, 1, MEMBERS_MOST)
        values = numbers(self, X, reset=True)
        known = ~np.isnan(values)
        if not known.any(axis=0).all():
            which = int(np.flatnonzero(~known.any(axis=0))[0])
            name = getattr(self, "feature_names_in_", range(which + 1))[which]
            raise DataError(f"column {name} has no known value; leave it out, or give rows that have it")
        lows, highs = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        check_span(lows, highs)
        columns = [
            Column(str(n), low=float(low), high=float(high))
            for n, (low, high) in enumerate(zip(lows, highs, strict=True))
        ]
        degradation = Cells(columns, self.hide)
        samples = from_arrays(_vectors(values, columns))
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=members)
        self.models_: list[ImputerModel] = []
        for seed in map(int, seeds):
            model = build(samples.description, width=self.width, seed=seed, degradation=degradation)
            assert isinstance(model, ImputerModel)
            settings = Settings(
                epochs=self.epochs, steps=self.steps, seed=seed, device=self.device, threads=self.threads
            )
            for _ in fit(model, samples, settings):
                pass
            self.models_.append(model)
        return self

    def transform(self, X: Any) -> Array:
        """`X` `(M, D)` with its missing values filled in."""
        check_is_fitted(self)
        values = numbers(self, X, reset=False, copy=True)
        rows = np.flatnonzero(np.isnan(values).any(axis=1))
        if len(rows):
            columns = self.models_[0].cells.columns
            vectors = _vectors(values[rows], columns)
            answers = np.mean([_answers(model, vectors) for model in self.models_], axis=0)
            found = np.stack([c.unscaled(answers[:, n]) for n, c in enumerate(columns)], axis=1)
            values[rows] = np.where(np.isnan(values[rows]), found, values[rows])
        result: Array = values
        return result

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """The names that `fit` saw, else x0, x1, ..."""
        from sklearn.utils.validation import _check_feature_names_in

        check_is_fitted(self)
        names: Array = _check_feature_names_in(self, input_features)
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _answers(model: Model, vectors: Array) -> Array:
    answers = restore(model, vectors)
    assert isinstance(answers, np.ndarray)
    return answers.astype(np.float64)


def _vectors(values: Array, columns: Any) -> Array:
    """Rows with NaN as `data.columns` has them, `(N, 2W)`."""
    known = ~np.isnan(values)
    scaled = [column.scaled(np.nan_to_num(values[:, n], nan=column.low)) for n, column in enumerate(columns)]
    return np.concatenate([np.stack(scaled, axis=1) * known, known], axis=1).astype(np.float32)
