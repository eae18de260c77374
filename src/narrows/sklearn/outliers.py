"""Odd rows told by how their codes lie, as an estimator of scikit-learn.

Next door: `tasks.density` learns how codes lie; `narrows outliers` does the same for files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import OutlierMixin

from narrows.data.batches import split
from narrows.models.mixture import Mixture, check_false_alarms
from narrows.sklearn.learned import Doubles, Learned
from narrows.tasks.density import LEAST_ERROR, fitted

WIDTH = 256  # of hidden layers; wider ones take several times as long, and tell odd rows no better
HELD_OUT = 0.2  # of the rows, from which the threshold is taken


class OutlierDetector(OutlierMixin, Learned):  # type: ignore[misc]
    """Tells rows that are unlike those it learned from, without being told how many of these are odd.

    An autoencoder learns a code of the rows; a mixture of Gaussians learns how the codes and the errors of their
    reconstructions lie, and a row is odd where they hardly ever do. The threshold is the score that a share
    `false_alarms` of usual rows exceed, found on a fifth of the rows, which training does not see. Numbers far from
    the others, and words as categories of a pandas data frame, are taken. The other settings are those of
    `Autoencoder`.

    `model_` is the network, `mixture_` the density, `offset_` the threshold of `score_samples`. `fit` raises
    `SettingsError` (a ValueError) for settings out of range.
    """

    _bent = True
    _least = 2  # for a threshold

    def __init__(
        self,
        code: int | None = None,
        *,
        false_alarms: float = 0.01,
        network: str | None = None,
        width: int | None = WIDTH,
        epochs: float | None = None,
        steps: int | None = None,
        device: str | None = "cpu",
        threads: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.code = code
        self.false_alarms = false_alarms
        self.network = network
        self.width = width
        self.epochs = epochs
        self.steps = steps
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> OutlierDetector:
        """Learn from `X` `(N, D)`."""
        check_false_alarms(self.false_alarms)
        samples = self._learn(X, HELD_OUT)
        training, held = split(len(samples), int(HELD_OUT * len(samples)), self.seed_)
        points = self._points(np.asarray(samples.values, np.float64))
        kept = held if len(held) > 1 else training
        self.mixture_: Mixture = fitted(points[training], points[kept])
        self.offset_ = -self.mixture_.threshold(self.false_alarms)
        return self

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """How usual each row is, `(N,)`: the logarithm of the density of its code and error; the lower the odder."""
        points = self._points(self._vectors(X))
        return -self.mixture_.scores(points)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """`score_samples` less the threshold: below 0 for odd rows."""
        scores = self.score_samples(X)
        return scores - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """1 for usual rows, -1 for odd ones."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _points(self, vectors: Doubles) -> Doubles:
        """Codes, and the logarithm of the mean squared error, `(N, K + 1)`."""
        codes = self._coded(vectors)
        error = np.square(self._decoded(codes) - vectors).mean(axis=1)
        return np.column_stack([codes, np.log(error + LEAST_ERROR)])
